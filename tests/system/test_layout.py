"""Layouts in one process: frozen parts in bfloat16, recomputed blocks, shards, fused steps."""

import copy
from functools import cache

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from course_lib.training import loop
from course_lib.training.accumulation import backward
from course_lib.training.adamw import adamw
from course_lib.training.layout import Layout, as_launched, recompute, store_frozen
from course_lib.training.sharding import own_blocks, transformer_blocks
from course_lib.training.stages import Stage, apply_stage
from course_lib.training.tensor_files import read_tensors
from tests.gloo_recipes import CASES
from tests.gloo_recipes_worker import loss_and_gradients

BF16 = torch.bfloat16
OWL = CASES["mplug_owl stage 2"]


@pytest.fixture(autouse=True)
def forgotten():
    """Lets accelerate forget the precision of a test, which it keeps for the whole process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def accelerator_of(precision):
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=True, mixed_precision=precision)


def gradients_of(case, layout=None, precision="no"):
    accelerator = accelerator_of(precision)
    found, model = loss_and_gradients(case, layout or Layout(), lambda _: case.part(0), accelerator)
    return float(found.pop("loss")), found, model


@cache
def in_float32(name):
    return gradients_of(CASES[name])[:2]


@pytest.mark.parametrize("name", CASES)
def test_frozen_parts_are_stored_in_bfloat16_and_trained_ones_in_float32(name):
    case = CASES[name]
    loss, gradients, model = gradients_of(case, Layout(frozen_dtype=BF16), "bf16")
    types = {p.requires_grad: {p.dtype} for p in model.parameters()}
    for parameter in model.parameters():
        types[parameter.requires_grad].add(parameter.dtype)
    assert types == {True: {torch.float32}, False: {BF16}}
    assert all(b.dtype != BF16 for b in model.buffers())
    expected_loss, expected = in_float32(name)
    assert abs(loss - expected_loss) < 0.03 * expected_loss
    assert all(gradient.dtype == torch.float32 for gradient in gradients.values())
    own, theirs = (torch.cat([g.flatten() for g in x.values()]) for x in (gradients, expected))
    assert torch.cosine_similarity(own, theirs, dim=0) > 0.9


def test_storing_frozen_parts_halves_them():
    model = CASES["llava stage 1"].build()
    apply_stage(model, CASES["llava stage 1"].stage())
    frozen = sum(p.nbytes for p in model.parameters() if not p.requires_grad)
    assert store_frozen(model, BF16) == frozen / 2
    assert store_frozen(model, BF16) == 0


def test_a_run_with_frozen_bfloat16_trains_and_keeps_float32(tmp_path):
    case, accelerator = CASES["llava stage 1"], accelerator_of("bf16")
    settings = {"seed": 0, "progress": False, "accelerator": accelerator}
    layout = Layout(frozen_dtype=BF16)
    rows = loop.train(
        case.build(),
        case.stage(steps=12, learning_rate=1e-2),
        lambda s: case.part(0),
        tmp_path,
        layout=layout,
        **settings,
    )
    assert rows[-1]["loss"] < rows[0]["loss"]
    kept = read_tensors(tmp_path / "model.safetensors")[0]
    assert kept and {tensor.dtype for tensor in kept.values()} == {torch.float32}
    with pytest.raises(ValueError, match="frozen_dtype='bfloat16' and is now to go on with None"):
        loop.train(
            case.build(),
            case.stage(steps=12, learning_rate=1e-2),
            case.part,
            tmp_path,
            resume=True,
            **settings,
        )


def test_two_types_without_mixed_precision_are_refused():
    with pytest.raises(ValueError, match=r"mixed_precision='no'.* use Accelerator"):
        gradients_of(CASES["llava stage 1"], Layout(frozen_dtype=BF16))


def test_recomputation_runs_each_block_twice_and_draws_the_same_dropout():
    model = OWL.build()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.5
    calls = []
    apply_stage(model, OWL.stage())
    blocks = transformer_blocks(model, "input_ids")
    for block in blocks:
        block.self_attn.register_forward_hook(lambda *_: calls.append(1))

    def passes():
        calls.clear()
        torch.manual_seed(0)
        model.zero_grad()
        backward(model, OWL.part(0), OWL.stage(), Accelerator(cpu=True))
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}

    expected = passes()
    assert len(calls) == len(blocks) == 2
    undo = recompute(model)
    found = passes()
    assert len(calls) == 2 * len(blocks)
    undo()
    assert passes().keys() == expected.keys() and len(calls) == len(blocks)
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found[name], gradient)


def test_blocks_are_found_by_what_their_model_reads():
    model = OWL.build()
    text, image = (transformer_blocks(model, r) for r in ("input_ids", "pixel_values"))
    assert {type(b).__name__ for b in text} == {"LlamaDecoderLayer"} and len(text) == 2
    assert {type(b).__name__ for b in image} == {"CLIPEncoderLayer"} and len(image) == 2
    assert len(transformer_blocks(model)) == 4
    assert len(transformer_blocks(CASES["blip2 stage 2, t5"].build(), "input_ids")) == 4
    with pytest.raises(ValueError, match="finds no row of blocks"):
        recompute(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("blip2 stage 1", "QFormerLayer"),
        ("mplug_owl stage 1", "AbstractorLayer"),
        ("flamingo", "GatedCrossAttention"),
    ],
)
def test_parts_of_our_own_are_computed_again(name, kind):
    model = CASES[name].build()
    apply_stage(model, CASES[name].stage())
    blocks = [block for block in own_blocks(model) if type(block).__name__ == kind]
    calls = []
    for module in (m for m in blocks[0].modules() if m is not blocks[0]):
        module.register_forward_hook(lambda *_: calls.append(1))
    model(CASES[name].part(0))
    once = len(calls)
    undo = recompute(model)
    loss = model(CASES[name].part(0))
    (loss[0] if isinstance(loss, tuple) else loss).backward()
    undo()
    # A second time on the way back, but for what comes behind the last activation that is needed.
    assert 2 * once < len(calls) <= 3 * once


def test_accelerates_launcher_is_believed():
    asked = {"ACCELERATE_USE_FSDP": "true", "FSDP_ACTIVATION_CHECKPOINTING": "true"}
    assert as_launched(Layout(), {}) == Layout()
    assert as_launched(Layout(parts=2), asked) == Layout(parts=2, sharded=True, recompute=True)
    assert as_launched(Layout(), {"ACCELERATE_USE_FSDP": "false"}) == Layout()


def test_the_step_is_fused_where_there_is_a_gpu():
    model, stage = nn.Linear(2, 2), Stage("s", ("weight", "bias"), 1, 1, 0.1)
    assert adamw(model, stage, torch.device("cuda")).defaults["fused"] is True
    assert not adamw(model, stage, torch.device("cpu")).defaults["fused"]


class Killed(BaseException):
    """Stands for a kill where the process has to live."""


def sharded_run(folder, **options):
    case = CASES["minigpt4"]
    settings = {"seed": 1, "config": {"recipe": "tiny"}, "save_every": 2, "progress": False}
    settings |= {"accelerator": Accelerator(cpu=True), "layout": Layout(sharded=True), **options}
    return loop.train(case.build(), case.stage(steps=6), case.part, folder, **settings)


def losses(rows):
    return [row["loss"] for row in rows]


def kill(step, row):
    if step == 3:
        raise Killed


def test_shards_of_one_process_go_on_bit_for_bit(tmp_path, monkeypatch):
    expected = losses(sharded_run(tmp_path / "whole"))
    assert expected == losses(sharded_run(None, layout=Layout()))
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        sharded_run(folder, on_step=kill)
    half = folder / ".sharded-000004.tmp"
    half.mkdir()
    (half / "__0_0.distcp").write_bytes(b"half")
    assert [p.name for p in folder.glob("sharded-*")] == ["sharded-000002"]
    assert losses(sharded_run(folder, resume=True)) == expected
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "sharded-000006",
    ]


def test_shards_that_are_damaged_or_of_another_model_are_refused(tmp_path):
    with pytest.raises(Killed):
        sharded_run(tmp_path, on_step=kill)
    (file,) = (tmp_path / "sharded-000002").glob("*.distcp")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 3])
    with pytest.raises(ValueError, match="sharded-000002 is damaged"):
        sharded_run(tmp_path, resume=True)
    file.write_bytes(content)
    metadata = file.with_name(".metadata")
    kept = metadata.read_bytes()
    metadata.unlink()
    with pytest.raises(ValueError, match="sharded-000002 is damaged"):
        sharded_run(tmp_path, resume=True)
    metadata.write_bytes(kept)
    other = copy.deepcopy(CASES["minigpt4"].build())
    other.projector.register_parameter("more", nn.Parameter(torch.ones(2, 2)))
    with pytest.raises(ValueError, match=r"1 tensors such as 'projector.more'"):
        loop.train(
            other,
            CASES["minigpt4"].stage(steps=6),
            CASES["minigpt4"].part,
            tmp_path,
            seed=1,
            config={"recipe": "tiny"},
            resume=True,
            progress=False,
            layout=Layout(sharded=True),
        )
    assert len(sharded_run(tmp_path, resume=True)) == 6
