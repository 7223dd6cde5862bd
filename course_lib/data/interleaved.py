"""Interleaved documents: images between words, cut into chunks (Flamingo, section 3.2).

A document is a start token and chunks. A chunk is the tags of its images, words that are given,
words that are to be said, and an end mark. The paper teaches its language model a new mark, <EOC>;
here the end token serves, which ends an answer in the toy world's texts too. OpenFlamingo adds
<|endofchunk|> and lets the loss lie on all words behind the first image (train/train_utils.py);
here it lies on what is to be said alone.

What the odd documents do. No image: plain text, and the gated layers let it through their
feed-forward part alone. Two images in a row: the first is read by its own tag and by nothing else.
An image at the end: its tag reads it, which no label asks for. More images than at training: each
token reads one of them whatever their number, so that only the context limits them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from course_lib.data.conversation_batch import Row
from course_lib.data.prompts import image_token_id, typed_ids
from course_lib.losses.lm import IGNORE


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document.

    Args:
        given: words that stand there; typed text, in which `<image>` is seven characters.
        said: words that the model has to say; "" for none, and the chunk then has no end mark.
        images: names of the images in front of the words; more than one stand in a row.
        carries_loss: False shows what is said without asking for it, as a shot does.
    """

    given: str
    said: str = ""
    images: tuple[str, ...] = ()
    carries_loss: bool = True


def document_row(
    tokenizer: PreTrainedTokenizerBase, chunks: Iterable[Chunk], max_length: int | None = None
) -> Row:
    """Makes a document's ids and labels side by side; a last chunk without `said` is a prompt.

    Args:
        tokenizer: knows `<image>`, a start and an end token.
        chunks: in reading order.
        max_length: longest document; None takes any.

    Returns:
        ids with one tag for each image, labels with -100 where there is no loss, names of images.

    Raises:
        ValueError: when the document is longer than `max_length`.
    """
    tag, end = image_token_id(tokenizer), tokenizer.eos_token_id
    ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    labels, images = [IGNORE] * len(ids), []
    for chunk in chunks:
        given = [tag] * len(chunk.images) + typed_ids(tokenizer, chunk.given)
        said = [*typed_ids(tokenizer, chunk.said), end] if chunk.said else []
        ids += given + said
        labels += [IGNORE] * len(given) + (said if chunk.carries_loss else [IGNORE] * len(said))
        images += chunk.images
    if max_length is not None and len(ids) > max_length:
        raise ValueError(
            f"The document has {len(ids)} tokens and {len(images)} images, the language model "
            f"reads {max_length} tokens at most: show fewer examples, or shorter ones."
        )
    return Row(ids, labels, tuple(images))
