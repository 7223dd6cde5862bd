"""Where a backbone lies: a directory, or a name of the Hub whose files were downloaded before.

Nothing is fetched here. A language model has up to 30 GB and a licence that somebody has to accept,
and of eight processes all would fetch it.
"""

from __future__ import annotations

from pathlib import Path


def find_place(name: str | Path, option: str) -> Path:
    """Returns the directory of a backbone.

    Args:
        name: a directory in the Hub's layout, or OWNER/NAME as the Hub names it.
        option: of the command line that would name another place, such as "--vision".

    Raises:
        ValueError: when it is not on this machine, with the command that gets it.
    """
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ValueError(
                f"{path} has no config.json: give {option} the directory of a model as "
                "`hf download` or `save_pretrained` writes it."
            )
        return path
    if not is_hub_name(str(name)):
        raise ValueError(
            f"{name} is no directory and no name such as OWNER/NAME: check what {option} says."
        )
    return _downloaded(str(name), option)


def is_hub_name(name: str) -> bool:
    """Tells whether a text has the form OWNER/NAME."""
    parts = name.split("/")
    return len(parts) == 2 and all(parts) and not set(parts) & {".", "..", "~"}


def _downloaded(name: str, option: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        path = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        path = None
    if path is None or not (path / "config.json").is_file():
        raise ValueError(
            f"{name} is not on this machine: run `hf download {name}` first (size and licence "
            f"stand on https://huggingface.co/{name}), or give {option} a directory that holds it."
        )
    return path
