"""Where the zoo's models lie, and where their training is kept."""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
RUNS = Path("runs")


def model_dir(name: str) -> Path:
    """Returns the directory of a zoo model, whether it exists or not."""
    return MODELS / name
