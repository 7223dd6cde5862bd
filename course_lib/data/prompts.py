"""From words to ids: image placeholders become Q ids each, and what people type stays text.

A data file marks an image by `<image>`; a person who types these seven characters means the
characters. So typed text goes through `typed_ids`, which never gives a special token, and only
`template_ids` turns placeholders into places for visual tokens. Letters: Q visual tokens an image.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.tokenizers import IMAGE_TOKEN, unknown_words
from course_lib.errors import nearest


def typed_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Returns the ids of text that a person typed; special tokens in it are plain characters."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids


def template_ids(
    tokenizer: PreTrainedTokenizerBase, text: str, num_images: int, num_query_tokens: int
) -> list[int]:
    """Returns the ids of a data file's text, every `<image>` expanded to Q places.

    Raises:
        ValueError: when placeholders and images are not as many.
    """
    parts = text.split(IMAGE_TOKEN)
    if len(parts) - 1 != num_images:
        raise ValueError(
            f"The text has {len(parts) - 1} {IMAGE_TOKEN} placeholders and comes with {num_images} "
            "images: write one placeholder for each image."
        )
    places = [image_token_id(tokenizer)] * num_query_tokens
    ids = typed_ids(tokenizer, parts[0])
    for part in parts[1:]:
        ids += places + typed_ids(tokenizer, part)
    return ids


def image_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns the id of `<image>`.

    Raises:
        ValueError: for a tokenizer without it.
    """
    token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    if token_id is None or token_id == tokenizer.unk_token_id:
        raise ValueError(
            f"The tokenizer has no {IMAGE_TOKEN} token: add it with "
            f"tokenizer.add_special_tokens({{'extra_special_tokens': ['{IMAGE_TOKEN}']}})."
        )
    return token_id


def blip2_prompt(
    tokenizer: PreTrainedTokenizerBase, text: str, num_query_tokens: int, num_images: int = 1
) -> list[int]:
    """Returns BLIP-2's prompt: the visual tokens first, then the start token, then the words.

    Decoder-only models get [visual][BOS][text] (LAVIS blip2_opt.py), encoder–decoders
    [visual][text][EOS] (blip2_t5.py). With num_images=0 the same words without any picture.
    """
    places = [image_token_id(tokenizer)] * (num_query_tokens * num_images)
    words = typed_ids(tokenizer, text) if text else []
    if tokenizer.bos_token_id is not None:
        return [*places, tokenizer.bos_token_id, *words]
    return [*places, *words, tokenizer.eos_token_id]


def pad_rows(rows: list[list[int]], value: int, left: bool = False) -> torch.Tensor:
    """Pads rows of ids to a (B, longest) tensor, on the right or on the left."""
    longest = max(len(row) for row in rows)
    gaps = [[value] * (longest - len(row)) for row in rows]
    padded = [gap + row if left else row + gap for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(padded)


def training_batch(
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    answers: list[list[int]],
    encoder_decoder: bool,
) -> dict[str, torch.Tensor]:
    """Joins prompts and answers to input_ids, attention_mask and labels.

    Args:
        tokenizer: gives padding and end tokens.
        prompts: ids that carry no loss.
        answers: ids that do; the end token is added here.
        encoder_decoder: True puts the answers into `labels` alone, as the decoder's words.

    Returns:
        Tensors (B, S); for an encoder–decoder labels (B, T). Padding is on the right.
    """
    said = [[*answer, tokenizer.eos_token_id] for answer in answers]
    if encoder_decoder:
        read, labels = prompts, said
    else:
        read = [prompt + answer for prompt, answer in zip(prompts, said, strict=True)]
        labels = [
            [-100] * len(prompt) + answer for prompt, answer in zip(prompts, said, strict=True)
        ]
    lengths = [[1] * len(row) for row in read]
    return {
        "input_ids": pad_rows(read, tokenizer.pad_token_id),
        "attention_mask": pad_rows(lengths, 0),
        "labels": pad_rows(labels, -100),
    }


def generation_batch(
    tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]], encoder_decoder: bool
) -> dict[str, torch.Tensor]:
    """Pads prompts for generation: on the left for decoder-only models (LAVIS does the same)."""
    left = not encoder_decoder
    return {
        "input_ids": pad_rows(prompts, tokenizer.pad_token_id, left),
        "attention_mask": pad_rows([[1] * len(prompt) for prompt in prompts], 0, left),
    }


def check_prompt(
    tokenizer: PreTrainedTokenizerBase, text: str, prompt: list[int], max_positions: int | None
) -> None:
    """Refuses an empty prompt and one beyond the context.

    Raises:
        ValueError: says how long the prompt is and how long it may be.
    """
    if not text.strip():
        raise ValueError("The prompt is empty: ask something, such as 'what is at top-left?'.")
    if max_positions is not None and len(prompt) >= max_positions:
        raise ValueError(
            f"The prompt takes {len(prompt)} tokens (visual tokens included), and the language "
            f"model reads {max_positions} at most, with the answer: shorten it."
        )


def describe_unknown_words(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """Returns a sentence for each word the model does not know, with the nearest known ones."""
    known = [token for token in tokenizer.get_vocab() if token.isalpha()]
    sentences = []
    for word in unknown_words(tokenizer, text):
        close = nearest(word, known)
        hint = f"; near it: {', '.join(close)}" if close else ""
        sentences.append(f"The toy model does not know {word!r}{hint}.")
    return sentences
