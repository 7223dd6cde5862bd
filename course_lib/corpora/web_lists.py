"""Lists of addresses with captions: CC3M, CC12M, SBU, LAION, COYO, and your own.

- CC3M: lines of caption, tab, address; CC12M: lines of address, tab, caption.
- SBU: {"image_urls": […], "captions": […], "user_ids": […]}.
- BLIP's filtered captions of CC3M, CC12M, SBU and LAION: a list of {"url", "caption"}
  (github.com/salesforce/BLIP, "pre-training datasets"); MiniGPT-4's first stage trains on them.
- Parquet with the columns url and text (COYO-700M) or URL and TEXT (LAION).

An address in these lists was good when the list was made; many are dead, which is no error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from course_lib.corpora.rows import Bad, Row
from course_lib.data.json_records import Broken, records

_BAD = Bad("a line without address or caption")
_ADDRESS, _CAPTION = ("url", "URL", "image_url"), ("caption", "text", "TEXT", "top_caption")


def lines(path: Path, caption_first: bool) -> Iterator[Row | Bad]:
    """Reads a list with a pair a line.

    Args:
        path: of the list.
        caption_first: True for CC3M, False for CC12M.
    """
    with open(path, encoding="utf-8", errors="replace", newline="\n") as stream:
        for number, line in enumerate(stream):
            first, tab, second = line.rstrip("\r\n").partition("\t")
            caption, address = (first, second) if caption_first else (second, first)
            yield _row(number, address, caption) if tab else _BAD


def sbu(path: Path) -> Iterator[Row | Bad]:
    """Reads SBU's one object of parallel lists."""
    found = json.loads(path.read_text(encoding="utf-8"))
    pairs = zip(found["image_urls"], found["captions"], strict=True)
    for number, (address, caption) in enumerate(pairs):
        yield _row(number, address, caption)


def json_list(path: Path) -> Iterator[Row | Bad]:
    """Reads a list of objects, record by record: these lists have up to 115 million."""
    for number, (_, record) in enumerate(records(path)):
        good = isinstance(record, dict) and not isinstance(record, Broken)
        yield _row(number, _field(record, _ADDRESS), _field(record, _CAPTION)) if good else _BAD


def parquet(path: Path) -> Iterator[Row | Bad]:
    """Reads a Parquet file, batch by batch.

    Raises:
        ValueError: for a file without an address and a caption column.
    """
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        columns = file.schema_arrow.names
        address = next((name for name in _ADDRESS if name in columns), None)
        caption = next((name for name in _CAPTION if name in columns), None)
        if address is None or caption is None:
            raise ValueError(f"{path} needs a column of {_ADDRESS} and one of {_CAPTION}.")
        number = 0
        for batch in file.iter_batches(batch_size=10_000, columns=[address, caption]):
            columns = (batch.column(name).to_pylist() for name in (address, caption))
            for where, what in zip(*columns, strict=True):
                yield _row(number, where, what)
                number += 1


def any_list(path: Path) -> Iterator[Row | Bad]:
    """Reads a list by its ending: .parquet, .json, .jsonl, or .tsv with the caption first."""
    if path.suffix == ".parquet":
        return parquet(path)
    if path.suffix in (".json", ".jsonl"):
        return json_list(path)
    if path.suffix == ".tsv":
        return lines(path, caption_first=True)
    raise ValueError(f"{path}: a list ends with .parquet, .json, .jsonl or .tsv.")


def _field(record: dict, names: tuple[str, ...]) -> object:
    return next((record[name] for name in names if name in record), None)


def _row(number: int, address: object, caption: object) -> Row | Bad:
    if not isinstance(address, str) or not isinstance(caption, str):
        return _BAD
    address, caption = address.strip(), " ".join(caption.split())
    if not address or not caption:
        return _BAD
    return Row(f"{number:09d}", address, (caption,), extra={"url": address})
