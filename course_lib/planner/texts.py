"""How long the texts of a stage are, padding included: what no configuration tells.

A batch is padded, so that what a GPU computes is more than there are words. Lengths marked "ours"
were worked out from the size of the released files at four bytes a token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from course_lib.errors import unknown_name_error


@dataclass(frozen=True)
class Text:
    """Positions of one sample, besides its visual tokens.

    Args:
        words: positions of text in the language model (for T5 in its encoder), padding included.
        labelled: positions that have a loss, for which the head over all words runs.
        source: where the numbers are from.
        images: images of a sample; below 1 where some have none.
        decoder: positions of a T5's decoder.
    """

    words: float
    labelled: float
    source: str
    images: float = 1.0
    decoder: float = 0.0


_BLIP2 = Text(32, 32, "LAVIS: max_txt_len 32, padded to it")
_CURATED = Text(185, 160, "released configuration: max_txt_len 160; prompt of 25")
TEXTS = {
    ("blip2", "1"): _BLIP2,
    ("blip2", "2"): _BLIP2,
    ("vpgtrans", "1"): _BLIP2,
    ("vpgtrans", "2"): _BLIP2,
    ("vpgtrans", "3"): _CURATED,
    ("llava v1", "1"): Text(80, 20, "ours: system sentence, one of 11 requests, a CC3M caption"),
    ("llava v1", "2"): Text(300, 190, "ours: 229 MB for 158,000 conversations, system sentence"),
    ("llava v1.5", "1"): Text(32, 30, "ours: a BLIP caption, padded to the longest of 32"),
    ("llava v1.5", "2"): Text(
        310, 190, "ours: 1.03 GB for 665,000 conversations; 624,000 have an image", images=0.94
    ),
    ("minigpt4", "1"): Text(33, 32, "released configuration: max_txt_len 32, and a start token"),
    ("minigpt4", "2"): _CURATED,
    ("mplug_owl", "1"): Text(447, 52, "appendix: 512 positions a pair, about 52 of them words"),
    ("mplug_owl", "2"): Text(
        990, 300, "appendix: 1,024 positions a row; half of the rows have an image", images=0.5
    ),
    ("flamingo", "1"): Text(
        256, 220, "M3W: 256 tokens; up to 5 images there, a median of 2 in OpenFlamingo", images=3.0
    ),
}
_TOY = Text(40, 20, "the toy world's sentences, about")


def text_of(recipe: str, stage: str, scale: str) -> Text:
    """Returns the lengths of a stage's texts.

    Args:
        recipe: its name, for LLaVA with the version ("llava v1.5").
        stage: its number.
        scale: "toy" has short texts, the others those of the papers.

    Raises:
        ValueError: for an unknown recipe or stage.
    """
    if (recipe, stage) not in TEXTS:
        raise unknown_name_error("stage", f"{recipe} {stage}", [" ".join(key) for key in TEXTS])
    found = TEXTS[recipe, stage]
    return replace(_TOY, images=found.images) if scale == "toy" else found


def split_for_t5(text: Text) -> Text:
    """Cuts captions in two: a prefix for the encoder, the rest for the decoder (BLIP-2, 3.3)."""
    half = text.words / 2
    return replace(text, words=half, labelled=half, decoder=half)
