"""CIDEr-D of captions on COCO and NoCaps, with NoCaps' three domains.

The words are those of `ptb_words`, the scores those of `cider_d`. How rare a word group is comes
from the references of the images that are scored together. So a part of a split gives another
number than the whole, and each domain of NoCaps is scored by itself, with its own references, as
pycocoevalcap does when it is given one domain's files; it is no mean of parts of the overall score.
"""

from __future__ import annotations

from collections.abc import Sequence

from course_lib.evaluation.cider import cider_d
from course_lib.evaluation.ptb_words import ptb_words

DOMAINS = ("in-domain", "near-domain", "out-domain")


def caption_benchmark(
    captions: Sequence[str], references: Sequence[Sequence[str]], domains: Sequence[str] = ()
) -> dict:
    """Scores one caption an image.

    Args:
        captions: what the model wrote.
        references: what people wrote about each image.
        domains: of each image (NoCaps); () for none.

    Returns:
        cider_d: mean over images, 0 to 10, of which papers print the hundredfold; by_type: the same
        for each domain that has at least two images; words: mean length of a caption.

    Raises:
        ValueError: for fewer than two images, or an image without references.
    """
    if len(captions) < 2:
        raise ValueError(
            f"{len(captions)} image: CIDEr-D weighs words by how few images have them, and a "
            "single image scores 0 whatever is written. Give at least two."
        )
    told = [" ".join(ptb_words(caption)) for caption in captions]
    people = [[" ".join(ptb_words(text)) for text in texts] for texts in references]
    found = {"cider_d": cider_d(told, people)[0], "by_type": {}}
    for domain in DOMAINS:
        rows = [row for row, name in enumerate(domains) if name == domain]
        if len(rows) > 1:
            score = cider_d([told[row] for row in rows], [people[row] for row in rows])[0]
            found["by_type"][domain] = score
    return found | {"words": sum(len(text.split()) for text in told) / len(told)}
