"""Asks a MiniGPT-4 for descriptions, inside the chat that stage 2 will teach it.

MiniGPT-4, arXiv 2304.10592, section 3.2: the stage-1 model, which saw no prompt in training, is
asked in the language model's own chat format. The demo samples (top-p 0.9); here decoding is
greedy. A stop that is several tokens ("###" for LLaMA) is looked for in the text, as are the
released demo's two ways to write it.
"""

from __future__ import annotations

from collections.abc import Sequence

from course_lib.curation.describing import Ask, Said
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import GPT, HUMAN, ChatTemplate, chat_pieces, typed_turn
from course_lib.data.conversation_batch import ReadImages
from course_lib.data.prompts import generation_batch, typed_ids
from course_lib.vlm import VLM


def model_asker(
    model: VLM,
    chat: ChatTokenizer,
    templates: Sequence[ChatTemplate],
    read_images: ReadImages,
    max_new_tokens: int = 300,
    batch_size: int = 16,
) -> Ask:
    """Makes what `describe` asks out of a model.

    Args:
        model: MiniGPT-4 after either stage.
        chat: tokenizer that knows Q.
        templates: the first is asked in; the stop of each of them ends an answer, as does the
            language model's own end token.
        read_images: from image ids to pixel_values or image_features.
        max_new_tokens: of one answer; the released demo has 300.
        batch_size: images at a time.
    """
    stops = [chat.stop_ids(template) for template in templates]
    ends = {ids[0] for ids in stops if len(ids) == 1} | model.language.eos_token_ids
    marks = [t.stop for t, ids in zip(templates, stops, strict=True) if len(ids) > 1]

    def ask(asked: list[tuple[str, tuple[str, ...]]]) -> list[Said]:
        answers: list[Said] = []
        for start in range(0, len(asked), batch_size):
            answers += answer(asked[start : start + batch_size])
        return answers

    def answer(asked: list[tuple[str, tuple[str, ...]]]) -> list[Said]:
        prompts = [_prompt(chat, templates[0], turns) for _, turns in asked]
        batch = generation_batch(chat.tokenizer, prompts, encoder_decoder=False)
        batch |= read_images([image for image, _ in asked])
        room = model.language.max_positions
        limit = max_new_tokens
        if room is not None:
            limit = min(limit, room - max(map(len, prompts)) + 1)
        rows = model.generate(batch, max_new_tokens=limit, eos_token_id=ends)
        return [_said(chat, row, marks, len(row) < limit) for row in rows]

    return ask


def _prompt(chat: ChatTokenizer, template: ChatTemplate, turns: Sequence[str]) -> list[int]:
    sides = [
        typed_turn((HUMAN, GPT)[number % 2], text, num_images=int(number == 0))
        for number, text in enumerate(turns)
    ]
    return chat(chat_pieces(template, sides, answered=False)).ids


def _said(chat: ChatTokenizer, row: list[int], marks: Sequence[str], ended: bool) -> Said:
    text = chat.tokenizer.decode(row, skip_special_tokens=True)
    places = [text.find(mark) for mark in marks if mark in text]
    if not places:
        return Said(text.strip(), len(row), ended)
    text = text[: min(places)]
    return Said(text.strip(), len(typed_ids(chat.tokenizer, text)), ended=True)
