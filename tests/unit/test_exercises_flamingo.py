"""What notebook 05's exercises call right is right in the library and in transformers too."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from transformers.models.idefics.perceiver import IdeficsPerceiverAttention
from transformers.models.idefics.processing_idefics import (
    image_attention_mask_for_packed_input_ids,
    incremental_to_binary_attention_mask,
)

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.classroom.hidden import hidden_cases
from course_lib.data.interleaved import Chunk, document_row
from course_lib.data.prompts import image_token_id, typed_ids
from course_lib.data.toy_interleaved import asked as in_words
from course_lib.evaluation.few_shot import question_shots
from course_lib.fusion.cross_attention import CrossAttentionConfig, GatedCrossAttention
from course_lib.fusion.gated_layers import GatedLayers, decoder_blocks
from course_lib.teach.exercise import report
from course_lib.teach.exercises.e05_document_labels import document_labels
from course_lib.teach.exercises.e05_few_shot_prompt import few_shot_prompt
from course_lib.teach.exercises.e05_gated_residual import gated_residual
from course_lib.teach.exercises.e05_layer_places import layer_places
from course_lib.teach.exercises.e05_resampler_inputs import resampler_inputs
from course_lib.teach.exercises.e05_seen_image import seen_image
from course_lib.teach.judging import RIGHT, WRONG, judge
from course_lib.teach.task import exercise_ids, find_exercise
from course_lib.world.questions import ask
from course_lib.world.scene import sample_scene
from tests.hidden_inputs import check_fair
from tests.tiny_models import language_model, randomise

IDS = [name for name in exercise_ids() if name.startswith("05.")]
TOKENIZER = build_tokenizer("llama")
WORD = "a word of the tests"


@torch.no_grad()
def test_resampler_inputs_are_what_idefics_projects():
    attention = randomise(IdeficsPerceiverAttention(8, 2, 4, False), 0)
    for norm in (attention.context_layer_norm, attention.latents_layer_norm):
        norm.weight.fill_(1.0), norm.bias.zero_()
    given = {}
    for name in ("q_proj", "k_proj", "v_proj"):

        def keep(_, args, name=name):
            given[name] = args[0][0]

        attention.get_submodule(name).register_forward_pre_hook(keep)
    latents, features = torch.randn(3, 8), torch.randn(1, 5, 8)
    attention(features, latents[None])
    asks, read = resampler_inputs(latents, features, torch.zeros(4, 8))
    for made, name in ((asks, "q_proj"), (read, "k_proj"), (read, "v_proj")):
        assert torch.allclose(made, given[name], atol=1e-6)


@torch.no_grad()
def test_gated_residual_is_the_layer_of_the_library_and_closed_leaves_a_model_alone():
    config = CrossAttentionConfig(8, 6, 2, 4, 16)
    layer = randomise(GatedCrossAttention(config), 0)
    states, seen = torch.randn(1, 4, 8), layer.project_visual(torch.randn(1, 3, 6))
    mask = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 1, 1], [0, 0, 1]]).bool()[None, None]

    def look(x):
        return layer.look(layer.norm(x), seen, mask)

    gates = (layer.attention_gate, layer.feed_forward_gate)
    made = gated_residual(states, look, layer.feed_forward, *gates)
    assert torch.allclose(made, layer(states, seen, mask), atol=1e-6)
    assert (made - states).abs().max() > 0.1
    closed = gated_residual(states, look, layer.feed_forward, *(0 * gate for gate in gates))
    assert (closed - states).abs().max().item() == 0.0


@pytest.mark.parametrize("text", [".I.", "..I.I", "I", "II..I."])
def test_seen_image_is_the_mask_of_idefics(text):
    word, tag = typed_ids(TOKENIZER, "red")[0], image_token_id(TOKENIZER)
    ids = torch.tensor([[tag if sign == "I" else word for sign in text]])
    numbers, _ = image_attention_mask_for_packed_input_ids(ids, TOKENIZER, "pt")
    theirs = incremental_to_binary_attention_mask(numbers, "pt", num_classes=text.count("I"))
    assert torch.equal(seen_image(ids[0] == tag), theirs[0].bool())


DOCUMENTS = {
    "shots": [(1, "what is at top-left?", "red", False), (1, "how many?", "two", True)],
    "no image": [(0, "a triangle has", "three sides", True)],
    "two in a row": [(2, "", "a star", True), (1, "how many?", "", True)],
    "image last": [(1, "how many?", "two", True), (1, "", "", True)],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_labels_are_those_of_the_library(name):
    rows = DOCUMENTS[name]
    chunks = [Chunk(given, said, ("7",) * n, loss) for n, given, said, loss in rows]
    wanted = document_row(TOKENIZER, chunks)
    as_ids = [(n, typed_ids(TOKENIZER, g), typed_ids(TOKENIZER, s), loss) for n, g, s, loss in rows]
    marks = (TOKENIZER.bos_token_id, image_token_id(TOKENIZER), TOKENIZER.eos_token_id)
    assert document_labels(as_ids, *marks) == (wanted.ids, wanted.labels)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_few_shot_prompt_is_the_prompt_that_is_measured(count):
    rng = np.random.default_rng(0)
    asked = [(row, ask(sample_scene(rng), rng)) for row in range(12)]
    row, question = asked[5]
    shots = question_shots(asked, count, rng)[5]
    wanted = document_row(TOKENIZER, [*shots, Chunk(in_words(question.text), images=(str(row),))])
    assert len(wanted.images) == count + 1
    opening, closing = in_words("|").split("|")
    examples = [
        (*(c.images or ("unseen",)), c.given.removeprefix(opening).removesuffix(closing), c.said)
        for c in shots
    ]
    text, images = few_shot_prompt(examples, (str(row), question.text), count)
    marks = {"<image>": image_token_id(TOKENIZER), "<EOC>": TOKENIZER.eos_token_id}
    ids = [TOKENIZER.bos_token_id]
    for piece in re.split(r"(<image>|<EOC>)", text):
        ids += [marks[piece]] if piece in marks else typed_ids(TOKENIZER, piece)
    assert ids == wanted.ids and tuple(images) == wanted.images
    assert TOKENIZER.unk_token_id not in ids


def test_layer_places_are_those_of_the_papers_and_of_hooks_that_run():
    assert [len(layer_places(*sizes, 0)) for sizes in ((24, 1), (40, 4), (80, 7))] == [24, 10, 12]
    for blocks, every in ((24, 1), (32, 2), (32, 4)):  # OpenFlamingo 3B, 4B, 9B
        theirs = CrossAttentionConfig.open_flamingo(2048, every).places(blocks)
        assert layer_places(blocks, every, every - 1) == list(theirs)
    language = language_model("llama", 2)
    blocks = decoder_blocks(language)
    width = language.config.hidden_size
    for every in range(1, len(blocks) + 1):
        layers = GatedLayers(CrossAttentionConfig(width, 6, 2, 4, 8, every), len(blocks))
        with layers.install(language):
            hooked = [i for i, block in enumerate(blocks) if block._forward_pre_hooks]
        assert hooked == layer_places(len(blocks), every, 0)


@pytest.mark.parametrize("name", ["05.resampler_inputs", "05.gated_residual"])
def test_a_reference_that_is_handed_on_leaves_chance_alone_and_gradients_pass(name):
    task, state = find_exercise(name), torch.random.get_rng_state()
    for case in task.cases():
        args = [x.requires_grad_() if isinstance(x, torch.Tensor) else x for x in case.args]
        made = task.reference(*args)
        (sum((x**3).sum() for x in made) if isinstance(made, tuple) else made.sum()).backward()
        tensors = [x for x in args if isinstance(x, torch.Tensor)]
        assert all(x.grad is not None and x.grad.abs().max() > 0 for x in tensors)
    assert torch.random.get_rng_state().equal(state)


# Hidden inputs: the solution is right on them, who knows the notebook's inputs alone is not, and
# each known mistake keeps its own cause.


@pytest.mark.parametrize("name", IDS)
def test_hidden_inputs_are_fair(name):
    check_fair(name, WORD)


@pytest.mark.parametrize("name", IDS)
def test_another_word_draws_other_inputs(name):
    drawn = {str([c.args for c in hidden_cases(name, word)]) for word in "abcdef"}
    assert len(drawn) > 1


# Answers that people may also give: right ones, whatever their form.


def _row_by_row(latents, features, times):
    def normed(row):
        row = row - row.mean()
        return row / (row.var(unbiased=False) + 1e-5).sqrt()

    read = [normed(p + t) for frame, t in zip(features, times, strict=False) for p in frame]
    asks = torch.stack([normed(row) for row in latents])
    return [asks, torch.stack([*read, *asks])]


def _repeated_times(latents, features, times):
    frames, patches, width = features.shape
    timed = features.reshape(-1, width) + times[:frames].repeat_interleave(patches, 0)
    norm = nn.LayerNorm(width, elementwise_affine=False)
    return norm(latents), torch.vstack((norm(timed), norm(latents)))


def _with_nn_norm(latents, features, times):
    norm = nn.LayerNorm(latents.shape[1])  # its weights begin at 1 and 0
    timed = (features + times[: len(features)].unsqueeze(1)).flatten(0, 1)
    return norm(latents), norm(torch.cat((timed, latents)))


def _exponentials(states, look, feed_forward, alpha, beta):
    def gate(x):
        return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())

    behind = look(states) * gate(alpha) + states
    return feed_forward(behind).mul(gate(beta)).add(behind)


def _lists(chunks, start, tag, end):
    ids, labels = [start], [-100]
    for images, given, said, asked in chunks:
        for word in [tag] * images + given:
            ids.append(word), labels.append(-100)
        for word in [*said, end] if said else ():
            ids.append(word), labels.append(word if asked else -100)
    return [ids, labels]


def _joined(examples, query, shots):
    shown = examples[:shots] if shots else [("", *row[1:]) for row in examples[:2]]
    if len(shown) < max(shots, 2 * (shots == 0)):
        raise ValueError(f"only {len(examples)} examples, {shots if shots else 2} needed")
    rows = [*shown, (*query, None)]
    said = ["<image>" * bool(row[0]) + f"question: {row[1]} answer:" for row in rows]
    answers = [f" {row[2]}<EOC>" for row in shown] + [""]
    return "".join(map("".join, zip(said, answers, strict=True))), [r[0] for r in rows if r[0]]


def _counted(blocks, every, first):
    if every < 1 or every > blocks:
        raise ValueError(f"a layer in front of every {every} of {blocks} blocks cannot be")
    return tuple(b for b in range(blocks) if b % every == first)


def _a_range(blocks, every, first):
    if every not in range(1, blocks + 1):
        raise ValueError(f"n is {every}")
    return range(first, blocks, every)


def _loop(is_tag):
    mask = torch.zeros(len(is_tag), int(is_tag.sum()), dtype=torch.bool)
    last = -1
    for place, tag in enumerate(is_tag):
        last += int(tag)
        if last >= 0:
            mask[place, last] = True
    return mask


MAY_BE = {
    "05.resampler_inputs": [_row_by_row, _repeated_times, _with_nn_norm],
    "05.gated_residual": [_exponentials],
    "05.document_labels": [_lists],
    "05.few_shot_prompt": [_joined],
    "05.layer_places": [_counted, _a_range],
    "05.seen_image": [_loop],
}


@pytest.mark.parametrize("name", MAY_BE)
def test_a_right_answer_of_another_form_passes(name):
    assert set(MAY_BE) == set(IDS)
    for answer in MAY_BE[name]:
        verdict = judge(find_exercise(name), answer)
        assert verdict.state == RIGHT, f"{answer.__name__}: {report(name, verdict)}"


# And wrong ones that no list of mistakes holds: the check has to find what fails by itself.


def _adds_in_place(latents, features, times):
    features += times[: len(features), None]
    return resampler_inputs(latents, features, torch.zeros_like(times))


def _one_tensor(latents, features, times):
    return resampler_inputs(latents, features, times)[1]


def _batched(latents, features, times):
    return tuple(made[None] for made in resampler_inputs(latents, features, times))


def _none(states, look, feed_forward, alpha, beta):
    states = states + alpha.tanh() * look(states)
    states + beta.tanh() * feed_forward(states)


def _almost_closed(states, look, feed_forward, alpha, beta):
    return gated_residual(states, look, feed_forward, alpha + 1e-7, beta)


def _second_gate_is_a_number(states, look, feed_forward, alpha, beta):
    return gated_residual(states, look, feed_forward, alpha, beta.item() * torch.ones(()))


def _as_tensors(chunks, start, tag, end):
    return tuple(map(torch.tensor, document_labels(chunks, start, tag, end)))


def _grows(chunks, start, tag, end):
    for _, _, said, _ in chunks:
        if said:
            said.append(end)
    return document_labels(chunks, start, tag, end)


def _fixed_tag(chunks, start, tag, end):
    return document_labels(chunks, start, 9, end)


def _returns_error(examples, query, shots):
    try:
        return few_shot_prompt(examples, query, shots)
    except ValueError as error:
        return str(error), []


def _says_all_numbers(examples, query, shots):
    if (shots or 2) > len(examples):
        raise ValueError(" ".join(map(str, range(20))))
    return few_shot_prompt(examples, query, shots)


def _capitals(examples, query, shots):
    text, images = few_shot_prompt(examples, query, shots)
    return text.replace("question", "Question").replace("answer", "Answer"), images


def _index_error(blocks, every, first):
    if not 1 <= every <= blocks:
        raise IndexError(f"every={every}")
    return layer_places(blocks, every, first)


def _sorted_down(blocks, every, first):
    return layer_places(blocks, every, first)[::-1]


REFUSED = [
    ("05.resampler_inputs", _adds_in_place, "input unchanged"),
    ("05.resampler_inputs", _one_tensor, "type"),
    ("05.resampler_inputs", _batched, "shape"),
    ("05.gated_residual", _none, "type"),
    ("05.gated_residual", _almost_closed, "values"),
    ("05.gated_residual", _second_gate_is_a_number, "values"),
    ("05.document_labels", _as_tensors, "type"),
    ("05.document_labels", _grows, "input unchanged"),
    ("05.document_labels", _fixed_tag, "values"),
    ("05.few_shot_prompt", _returns_error, "too few examples raise"),
    ("05.few_shot_prompt", _says_all_numbers, "the message names both counts"),
    ("05.few_shot_prompt", _capitals, "values"),
    ("05.layer_places", _index_error, "runs"),
    ("05.layer_places", _sorted_down, "values"),
]


@pytest.mark.parametrize(("name", "answer", "property"), REFUSED)
def test_a_wrong_answer_that_is_on_no_list_is_refused(name, answer, property):
    verdict = judge(find_exercise(name), answer)
    assert (verdict.state, verdict.property) == (WRONG, property), report(name, verdict)
