"""What notebook 09's exercises call right is right elsewhere too: in peft, transformers, files."""

import json

import numpy as np
import peft
import pytest
import torch
from torch import nn
from transformers import LlamaForCausalLM

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import HUMAN, Turn, chat_pieces
from course_lib.evaluation.owl_eval import OwlAnswer
from course_lib.evaluation.owl_eval_files import read_answers, read_questions
from course_lib.evaluation.owl_eval_toy import make_owl_eval
from course_lib.evaluation.rating_counts import exact_ratings, rating_counts
from course_lib.evaluation.ratings import items_of
from course_lib.instructions.toy_several import frame_parts, picture_parts
from course_lib.recipes import mplug_owl
from course_lib.teach.exercise import report
from course_lib.teach.exercises.e09_end_token import end_token
from course_lib.teach.exercises.e09_fill_images import fill_images
from course_lib.teach.exercises.e09_frame_prompt import frame_prompt
from course_lib.teach.exercises.e09_join_answers import join_answers
from course_lib.teach.exercises.e09_joint_mean import joint_mean
from course_lib.teach.exercises.e09_lora_merge import lora_merge
from course_lib.teach.exercises.e09_lora_output import lora_output
from course_lib.teach.exercises.e09_query_keys import query_keys
from course_lib.teach.exercises.e09_share_of_grades import share_of_grades
from course_lib.teach.exercises.e09_who_trains import who_trains
from course_lib.teach.judging import RIGHT, WRONG, judge
from course_lib.teach.task import find_exercise
from course_lib.training.stages import apply_stage
from course_lib.vpg.abstractor import AbstractorConfig, EndTokenProjector
from course_lib.vpg.abstractor_layer import AbstractorLayer
from tests.tiny_models import language_model, randomise, text_batch
from tests.tiny_owl import QUERIES, numbers, tiny_owl

LEFT_OUT = -100


@pytest.fixture(scope="module")
def owl():
    return tiny_owl()


@torch.no_grad()
def test_query_keys_is_a_head_of_the_abstractor():
    config = AbstractorConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=12, num_query_tokens=3, dropout=0.0
    )
    layer = randomise(AbstractorLayer(config), 0)
    own = layer.attention
    for linear in (own.q_proj, own.k_proj, own.v_proj):
        linear.bias.zero_()
    queries, read = layer.normed(torch.randn(1, 3, 8), torch.randn(1, 5, 8))
    whole = [linear.weight for linear in (own.q_proj, own.k_proj, own.v_proj)]
    heads = [[weight[start : start + 4] for weight in whole] for start in (0, 4)]
    made = torch.cat([query_keys(queries[0], read[0, 3:], *head) for head in heads], dim=-1)
    assert torch.allclose(own.out_proj(made), own(queries, read)[0], atol=1e-5)


def test_end_token_is_that_of_the_library_and_learns_alike():
    projector = EndTokenProjector(4, 6)
    features = torch.randn(3, 2, 4)
    own = nn.Parameter(projector.end_token.detach().clone())
    with torch.no_grad():
        projected = nn.functional.linear(features, projector.weight, projector.bias)
    made, theirs = end_token(projected, own), projector(features)
    assert torch.equal(made, theirs)
    for tokens in (made, theirs):
        (tokens**2).sum().backward()
    assert torch.allclose(own.grad, projector.end_token.grad) and own.grad.abs().min() > 0


def test_who_trains_is_what_the_stages_of_the_recipe_train():
    model, toy = tiny_owl().model, numbers()
    assert apply_stage(model, toy.stage1) == who_trains(_names(model), 1)
    mplug_owl.give_lora(model, toy.lora)
    trained = apply_stage(model, toy.stage2)
    assert trained == who_trains(_names(model), 2)
    assert len(trained) == 2 * 2 * len(model.language.model.model.layers)


def _names(model):
    return [name for name, _ in model.named_parameters()]


@torch.no_grad()
def test_lora_output_and_lora_merge_are_those_of_peft():
    torch.manual_seed(0)
    base = nn.Sequential(nn.Linear(5, 7))
    weight, bias = base[0].weight.clone(), base[0].bias.clone()
    config = peft.LoraConfig(r=3, lora_alpha=5, lora_dropout=0.0, target_modules=["0"])
    theirs = peft.get_peft_model(base, config).eval()
    layer = theirs.base_model.model[0]
    layer.lora_B["default"].weight.normal_()
    a, b = layer.lora_A["default"].weight.clone(), layer.lora_B["default"].weight.clone()
    x = torch.randn(2, 4, 5)
    assert torch.allclose(lora_output(x, weight, bias, a, b, 5.0), theirs(x), atol=1e-5)
    merged = theirs.merge_and_unload()[0].weight
    made = lora_merge(weight, a, b, 5.0, False)
    assert torch.allclose(made, merged, atol=1e-6) and not torch.allclose(made, weight, atol=0.1)
    assert torch.allclose(lora_merge(made, a, b, 5.0, True), weight, atol=1e-6)


def test_joint_mean_gives_loss_and_gradient_of_one_batch():
    model = language_model("llama", seed=1)
    assert isinstance(model, LlamaForCausalLM)
    whole = text_batch(3, rows=4, length=9)
    whole["attention_mask"] = torch.ones_like(whole["input_ids"])
    labels = whole["input_ids"].clone()
    labels[1:3, :6] = LEFT_OUT
    labels[3] = LEFT_OUT  # a part that was cut off before its answer
    wanted = model(**whole, labels=labels).loss
    (gradient,) = torch.autograd.grad(wanted, [model.lm_head.weight])
    parts = [slice(0, 1), slice(1, 3), slice(3, 4)]
    losses = [model(**_part(whole, p), labels=labels[p]).loss for p in parts]
    words = torch.tensor([int((labels[p, 1:] != LEFT_OUT).sum()) for p in parts])
    assert words.tolist() == [8, 6, 0] and losses[2].isnan()
    weights, mean = joint_mean(torch.stack(losses).detach(), words)
    assert float(mean) == pytest.approx(wanted.item(), abs=1e-5)
    step = sum(w * loss for w, loss in zip(weights, losses, strict=True) if w > 0)
    (made,) = torch.autograd.grad(step, [model.lm_head.weight])
    assert torch.allclose(made, gradient, atol=1e-6)
    assert abs(sum(losses[:2]) / 2 - wanted) > 0.01  # a mean of means is another number


def _part(batch, rows):
    return {name: tensor[rows] for name, tensor in batch.items()}


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("words", [picture_parts, frame_parts], ids=["apart", "adjacent"])
def test_fill_images_is_what_the_model_reads(owl, count, words):
    parts = words(count, "what?") if words is picture_parts else words(count)
    pieces = chat_pieces(numbers().template, [Turn(HUMAN, tuple(parts))], answered=False)
    place = owl.model.image_token_id
    ids = torch.tensor(ChatTokenizer(owl.tokenizer, QUERIES + 1)(pieces).ids)
    batch = {"input_ids": ids[None], "pixel_values": torch.rand(count, 3, 48, 48)}
    embeds = owl.model.language.embed(ids.masked_fill(ids == place, 0))
    made = fill_images(embeds, ids, list(owl.model.visual_tokens(batch)), place)
    assert torch.equal(made, owl.model.inputs_embeds(batch)[0])


@pytest.mark.parametrize("count", [1, 2, 4])
def test_frame_prompt_is_the_prompt_of_a_clip(owl, count):
    chat = ChatTokenizer(owl.tokenizer, QUERIES + 1)
    pieces = chat_pieces(numbers().template, [Turn(HUMAN, frame_parts(count))], answered=False)
    ids, place = chat(pieces).ids, owl.model.image_token_id
    first, last = ids.index(place), len(ids) - ids[::-1].index(place)
    frames = [(0.5 * number, 10 - number) for number in range(count)]
    made, rows = frame_prompt(ids[:first], frames[::-1], ids[last:], QUERIES, place)
    assert made == ids and rows == [10 - number for number in range(count)]
    assert made.count(place) == count * (QUERIES + 1)


def test_join_answers_joins_files_as_the_reader_does(tmp_path):
    toy = make_owl_eval()
    asked = [
        {
            "question_id": question.question_id,
            "image": question.image,
            "question": question.text,
            "ability": ",".join(question.abilities),
            "category": list(question.categories),
        }
        for question in toy.questions
    ]
    said = [
        {
            "question_id": row["question_id"],
            "image": row["image"].replace(".jpg", ".png"),
            "question": row["question"] + " ",
            "answer": f"answer {row['question_id']}",
        }
        for row in asked
    ]
    said = [said[4] | {"answer": "kept"}, *said[::-1]]
    said = [row for row in said if row["question_id"] not in (9, 40)]
    for name, rows in (("questions", asked), ("m_answer", said)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    owl, troubles = read_questions(tmp_path / "questions.jsonl", strict=True)
    found = read_answers(tmp_path / "m_answer.jsonl", owl)
    joined, missing = join_answers(asked, said)
    assert {row["question_id"]: row["answer"] for row in joined} == {
        id: answer.text for id, answer in found.answers.items()
    }
    assert missing == list(found.unanswered) == [9, 40] and len(found.troubles) == 1
    assert joined[4]["answer"] == "kept" and len(joined) == 80 and not troubles
    assert [row["image"] for row in joined] == [
        question.image for question in toy.questions if question.question_id not in missing
    ]


def test_share_of_grades_is_what_the_library_counts():
    toy, rng = make_owl_eval(), np.random.default_rng(0)
    texts = [("7 is odd.", "it is red.", "yes.")[int(n)] for n in rng.integers(3, size=82)]
    ids = [question.question_id for question in toy.questions]
    answers = {id: OwlAnswer(id, text) for id, text in zip(ids, texts, strict=True)}
    items = items_of(toy, {"m": answers})
    ratings = exact_ratings(toy, items)[::2]
    grades = {items[rating.code].question_id: rating.grade for rating in ratings}
    rows = [
        {
            "question_id": question.question_id,
            "ability": ",".join(question.abilities),
            "rating": grades.get(question.question_id),
        }
        for question in toy.questions
    ]
    counted = rating_counts(ratings, items, toy)["m"]
    shares = share_of_grades(rows)
    assert sorted(shares) == list("abcdef") and 0 < shares["a"] < 1 and len(ratings) == 41
    assert shares == pytest.approx({letter: counted[letter].share for letter in shares})


@pytest.mark.parametrize("name", ["09.query_keys", "09.lora_output", "09.lora_merge"])
def test_a_reference_that_is_handed_on_leaves_chance_alone_and_gradients_pass(name):
    task, state = find_exercise(name), torch.random.get_rng_state()
    for case in task.cases():
        args = [x.clone() if isinstance(x, torch.Tensor) else x for x in case.args]
        args += [False] * (name == "09.lora_merge")
        if name != "09.lora_merge":  # which changes a weight outside of any gradient
            args[0].requires_grad_()
            task.reference(*args).sum().backward()
            assert args[0].grad.abs().max() > 0
        task.reference(*args)
    assert torch.random.get_rng_state().equal(state)


# Answers that people may also give: right ones, whatever their form.


def _sdpa(queries, image, w_q, w_k, w_v):
    read = torch.cat([image, queries])  # the order of what is read does not matter
    asks, keys, values = (queries @ w_q.mT, read @ w_k.mT, read @ w_v.mT)
    return nn.functional.scaled_dot_product_attention(*(x[None] for x in (asks, keys, values)))[0]


def _one_by_one(queries, image, w_q, w_k, w_v):
    rows = [*queries, *image]
    out = []
    for query in queries:
        scores = torch.stack([(w_q @ query) @ (w_k @ row) for row in rows]) / len(w_q) ** 0.5
        weights = scores.softmax(0)
        out.append(sum(weight * (w_v @ row) for weight, row in zip(weights, rows, strict=True)))
    return torch.stack(out)


def _repeated(queries, end):
    return torch.cat((queries, end.repeat(queries.shape[0], 1, 1)), -2)


def _written(queries, end):
    batch, count, width = queries.shape
    out = torch.zeros(batch, count + 1, width)
    out[:, :-1], out[:, -1:] = queries, end
    return out


def _by_parts(names, stage):
    out = []
    for name in names:
        parts = ["", *name.split(".")]  # "logit_scale" has one part
        if stage == 1 and (parts[1] == "projector" or parts[1:3] in _SEEING):
            out.append(name)
        if stage == 2 and parts[1] == "language" and parts[-2] in ("q_proj", "v_proj"):
            out += [name] * (parts[-1] in ("lora_A", "lora_B"))
    return out


_SEEING = (["vpg", "encoder"], ["vpg", "head"])


def _dense(x, weight, bias, lora_a, lora_b, alpha):
    return nn.functional.linear(x, weight + lora_b @ lora_a * (alpha / len(lora_a)), bias)


def _einsum(x, weight, bias, lora_a, lora_b, alpha):
    update = torch.einsum("...i,ri,or->...o", x, lora_a, lora_b)
    return torch.einsum("...i,oi->...o", x, weight) + bias + update * alpha / lora_b.shape[1]


def _in_double(weight, lora_a, lora_b, alpha, merged):
    sign = -1 if merged else 1
    update = lora_b.double() @ lora_a.double() * alpha / lora_a.size(0)
    return (weight.double() + sign * update).type_as(weight)


def _plain_numbers(losses, words):
    total = float(sum(words))
    if total == 0:
        raise ValueError("nothing to learn")
    weights = [float(count) / total for count in words]
    pairs = zip(weights, losses.tolist(), strict=True)
    return weights, sum(weight * loss for weight, loss in pairs if weight)


def _cleaned_in_place(losses, words):
    if not words.any():
        raise ValueError("nothing to learn")
    losses[words == 0] = 0.0
    return words / words.sum(), (losses * words).sum() / words.sum()


def _scattered(embeds, ids, images, place):
    kept = int((ids == place).sum())
    given = sum(len(image) for image in images)
    if kept != given:
        raise ValueError(f"{given} tokens came for {kept} places")
    if given == 0:
        return embeds.clone()
    return embeds.masked_scatter((ids == place)[:, None], torch.cat(images))


def _popped(embeds, ids, images, place):
    waiting = [token for image in images for token in image]
    if len(waiting) != ids.tolist().count(place):
        raise ValueError(f"{ids.tolist().count(place)} places, {len(waiting)} tokens")
    rows = [waiting.pop(0) if i == place else e for i, e in zip(ids, embeds, strict=True)]
    return torch.stack(rows)


def _frame_by_frame(opening, frames, question, num_queries, place):
    ids, rows = opening.copy(), ()
    for _, row in sorted(frames, key=lambda frame: frame[0]):
        ids.extend([place] * num_queries + [place])
        rows += (row,)
    return ids + question, rows


def _two_tables(questions, answers):
    said = {row["question_id"]: row["answer"] for row in reversed(answers)}
    rows = {row["question_id"]: dict(row) for row in questions}
    for id, text in said.items():
        if id not in rows:
            raise ValueError(id)
        rows[id]["answer"] = text
    made = [row for row in rows.values() if "answer" in row]
    return made, [id for id in rows if id not in said]


def _by_pairs(rows):
    pairs = [(letter, row["rating"]) for row in rows for letter in row["ability"].split(",")]
    shares = {}
    for letter, _ in pairs:
        grades = [grade for name, grade in pairs if name == letter and grade]
        shares[letter] = np.mean([grade < "C" for grade in grades]) if grades else None
    return shares


MAY_BE = {
    "09.query_keys": [_sdpa, _one_by_one],
    "09.end_token": [_repeated, _written],
    "09.who_trains": [_by_parts],
    "09.lora_output": [_dense, _einsum],
    "09.lora_merge": [_in_double],
    "09.joint_mean": [_plain_numbers, _cleaned_in_place],
    "09.fill_images": [_scattered, _popped],
    "09.frame_prompt": [_frame_by_frame],
    "09.join_answers": [_two_tables],
    "09.share_of_grades": [_by_pairs],
}


@pytest.mark.parametrize("name", MAY_BE)
def test_a_right_answer_of_another_form_passes(name):
    for answer in MAY_BE[name]:
        verdict = judge(find_exercise(name), answer)
        assert verdict.state == RIGHT, f"{answer.__name__}: {report(name, verdict)}"


# And wrong ones that no list of mistakes holds: the check has to find what fails by itself.


def _data_of_end(queries, end):
    return torch.cat([queries, end.data.expand(len(queries), -1, -1)], dim=1)


def _says_first_number(embeds, ids, images, place):
    if int((ids == place).sum()) != sum(map(len, images)):
        raise ValueError(f"{int((ids == place).sum())} places do not fit")
    return _scattered(embeds, ids, images, place)


def _asserts_count(embeds, ids, images, place):
    assert int((ids == place).sum()) == sum(map(len, images)), "counts differ"
    return _scattered(embeds, ids, images, place)


def _rounded(weight, lora_a, lora_b, alpha, merged):
    sign = -1 if merged else 1
    return (weight + sign * lora_b @ lora_a * (alpha // len(lora_a))).to(weight.dtype)


def _nan_to_num(losses, words):
    weights = words / words.sum()
    return weights, (weights * losses.nan_to_num()).sum()


def _sorted_names(names, stage):
    return sorted(who_trains(names, stage))


def _grows_later(opening, frames, question, num_queries, place):
    frames.sort()
    return frame_prompt(opening, frames, question, num_queries, place)


def _all_digits(embeds, ids, images, place):
    if int((ids == place).sum()) != sum(map(len, images)):
        raise ValueError(" ".join(map(str, range(20))))
    return _scattered(embeds, ids, images, place)


def _ids_from_nine_on(embeds, ids, images, place):
    return _scattered(embeds, torch.where(ids >= 9, 9, ids), images, 9)


def _row_itself(embeds, ids, images, place):
    made = _scattered(embeds, ids, images, place)
    return made if images else embeds


def _nine(opening, frames, question, num_queries, place):
    return frame_prompt(opening, frames, question, num_queries, 9)


def _sorted_rows(questions, answers):
    joined, missing = join_answers(questions, answers)
    return sorted(joined, key=lambda row: row["question_id"]), missing


def _truthy(questions, answers):
    said = {}
    for row in answers:
        if not said.get(row["question_id"]):
            said[row["question_id"]] = row["answer"]
    joined, missing = join_answers(questions, answers)
    return [{**row, "answer": said[row["question_id"]]} for row in joined], missing


def _stripped(questions, answers):
    said = {row["question"].strip(): row["answer"] for row in reversed(answers)}
    joined = [{**q, "answer": said[q["question"]]} for q in questions if q["question"] in said]
    return joined, [q["question_id"] for q in questions if q["question"] not in said]


def _table_of_questions(questions, answers):
    rows = {row["question_id"]: dict(row) for row in questions}
    for row in answers:
        rows[row["question_id"]].setdefault("answer", row["answer"])
    made = [row for row in rows.values() if "answer" in row]
    return made, [id for id, row in rows.items() if "answer" not in row]


def _own_rows(questions, answers):
    joined, missing = join_answers(questions, answers)
    said = {row["question_id"]: row["answer"] for row in joined}
    made = []
    for row in questions:
        if row["question_id"] in said:
            row["answer"] = said[row["question_id"]]
            made.append(row)
    return made, missing


def _by_id(rows):
    return share_of_grades(list({row["question_id"]: row for row in rows}.values()))


def _sign_by_sign(rows):
    grades = {}
    for row in rows:
        for sign in row["ability"]:
            grades.setdefault(sign, [])
            if row["rating"]:
                grades[sign].append(row["rating"] in "AB")
    return {sign: sum(g) / len(g) if g else None for sign, g in grades.items()}


def _integer_ids(questions, answers):
    joined, missing = join_answers(questions, answers)
    return joined, [str(id) for id in missing]


def _not_none(rows):
    return {name: share or 0.0 for name, share in share_of_grades(rows).items()}


REFUSED = [
    ("09.end_token", _data_of_end, "the end token learns"),
    ("09.fill_images", _says_first_number, "the message names both counts"),
    ("09.fill_images", _asserts_count, "a wrong count raises a ValueError"),
    ("09.fill_images", _all_digits, "the message names both counts"),
    ("09.fill_images", _ids_from_nine_on, "a place has the id `place`"),
    ("09.fill_images", _row_itself, "text alone gives a new row, too"),
    ("09.lora_merge", _rounded, "values"),
    ("09.joint_mean", _nan_to_num, "values"),
    ("09.who_trains", _sorted_names, "values"),
    ("09.frame_prompt", _grows_later, "input unchanged"),
    ("09.frame_prompt", _nine, "a place has the id `place`"),
    ("09.join_answers", _integer_ids, "type"),
    ("09.join_answers", _sorted_rows, "the order of the questions"),
    ("09.join_answers", _truthy, "an empty answer is an answer"),
    ("09.join_answers", _stripped, "the id joins"),
    ("09.join_answers", _table_of_questions, "a stranger raises a ValueError"),
    ("09.join_answers", _own_rows, "the rows stay as they were"),
    ("09.share_of_grades", _by_id, "each answer counts"),
    ("09.share_of_grades", _sign_by_sign, "letters are abilities"),
    ("09.share_of_grades", _not_none, "no rating is not 0"),
]


@pytest.mark.parametrize(("name", "answer", "property"), REFUSED)
def test_a_wrong_answer_that_is_on_no_list_is_refused(name, answer, property):
    verdict = judge(find_exercise(name), answer)
    assert verdict.state == WRONG and verdict.property == property, report(name, verdict)
