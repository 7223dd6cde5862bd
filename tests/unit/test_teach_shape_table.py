"""Shape and stage tables: what they say is what the pass did, and the model stays as it was."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from transformers import OPTForCausalLM

from course_lib.teach.plain_table import plain_table
from course_lib.teach.shape_table import shape_table
from course_lib.teach.shapes import shapes_of
from course_lib.teach.show_stage import show_stage, stage_text
from course_lib.training.stages import Stage, apply_stage, frozen_fingerprint
from course_lib.vpg import QFormer, QFormerConfig
from tests.tiny_models import text_config


class Twice(nn.Module):
    """Calls one layer twice with one shape and once with another; gives a dictionary."""

    def __init__(self):
        super().__init__()
        self.layer, self.never = nn.Linear(4, 4), nn.Linear(2, 3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x, *, scale=None):
        if x.shape[-1] != 4:
            raise RuntimeError("wrong width")
        pooled = self.layer(self.layer(self.drop(x))).mean(dim=1)
        return {"pooled": self.layer(pooled), "pair": (x, scale)}


def table():
    return shape_table(Twice(), torch.ones(2, 5, 4), scale=torch.tensor(2.0))


def test_the_printed_table():
    assert str(table()).splitlines() == [
        "module       class    reads          gives            parameters",
        "───────────  ───────  ─────────────  ───────────────  ──────────",
        "(the whole)  Twice    (2, 5, 4)      pooled: (2, 4)           29",
        "                      scale: scalar  pair: (2, 5, 4)",
        "                                     pair: scalar",
        "  layer ×2   Linear   (2, 5, 4)      (2, 5, 4)                20",
        "  layer      Linear   (2, 4)         (2, 4)                    0",
        "  never      Linear   –              –                         9",
        "  drop       Dropout  (2, 5, 4)      (2, 5, 4)                 0",
        "– not called as a module: a list of parts, or its parent used them",
    ]
    assert repr(table()) == str(table())


def test_rows_hold_the_same_as_data():
    rows = {(row.name, row.reads): row for row in table()}
    assert len(rows) == len(table()) == 5
    assert rows["layer", ("(2, 5, 4)",)].calls == 2 and rows["layer", ("(2, 4)",)].calls == 1
    assert rows["never", ()].calls == 0 and rows["never", ()].parameters == 9
    assert [row.depth for row in table()] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("width", [4, 3])
def test_the_model_is_as_it_was_even_after_an_error(training, width):
    model = nn.Sequential(nn.BatchNorm1d(5), Twice().eval())
    model[0].train(training)
    before, modes = frozen_fingerprint(model), [m.training for m in model.modules()]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    if width == 4:
        shape_table(model, torch.ones(2, 5, width))
    else:
        with pytest.raises(RuntimeError, match="wrong width"):
            shape_table(model, torch.ones(2, 5, width))
    assert torch.rand(1) == expected
    model.requires_grad_(True)
    assert frozen_fingerprint(model) == before
    assert [m.training for m in model.modules()] == modes
    assert not any(m._forward_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_depth_and_part_of_a_q_former():
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = QFormerConfig(
        intermediate_size=32, encoder_hidden_size=8, num_query_tokens=4, use_text=False, **sizes
    )
    model = QFormer(config)
    whole = shape_table(model, torch.randn(3, 7, 8))
    assert whole.rows[0].reads == ("(3, 7, 8)",) and whole.rows[0].gives == ("(3, 4, 16)",)
    assert whole.rows[0].parameters == sum(p.numel() for p in model.parameters())
    assert {row.depth for row in whole.to_depth(1)} == {0, 1}
    part = whole.below("layers.1")
    assert {row.name.split(".")[1] for row in part} == {"1"} and len(part) < len(whole)
    assert str(part).splitlines()[2].startswith("layers.1  ")
    assert "    up " in str(part) and "(3, 4, 32)" in str(part)
    with pytest.raises(ValueError, match=r"no module 'layer'.*layers"):
        whole.below("layer")


def test_outputs_of_transformers_and_their_caches():
    model = OPTForCausalLM(text_config("opt", vocabulary=50))
    row = shape_table(model, input_ids=torch.ones(2, 5, dtype=torch.long), use_cache=True).rows[0]
    assert row.reads == ("input_ids: (2, 5)",) and row.gives[0] == "logits: (2, 5, 50)"
    assert row.gives[1].startswith("past_key_values: 4 × (2, ")


Named = namedtuple("Named", ("left", "right"))


@dataclass
class Pair:
    left: torch.Tensor
    right: list


def test_shapes_of_whatever_holds_tensors():
    x = torch.zeros(2, 3)
    loop = [x]
    loop.append(loop)
    assert shapes_of(x) == ("(2, 3)",) and shapes_of(torch.tensor(1)) == ("scalar",)
    assert shapes_of((x, x, [x.T], None, 5, "words", nn.Linear(1, 1))) == ("2 × (2, 3)", "(3, 2)")
    assert shapes_of(OrderedDict(a={"b": x}, c=3)) == ("a.b: (2, 3)",)
    assert shapes_of(Pair(x, [x, x])) == ("left: (2, 3)", "right: 2 × (2, 3)")
    assert shapes_of(Named(x, x)) == ("left: (2, 3)", "right: (2, 3)")
    assert shapes_of(loop) == ("(2, 3)",) and shapes_of(None) == shapes_of([]) == ()


def test_many_shapes_are_cut_short_in_print_alone():
    model = nn.Identity()
    shapes = [torch.zeros(n) for n in range(1, 10)]
    found = shape_table(model, shapes)
    assert len(found.rows[0].reads) == 9 and "… and 4 more" in str(found)


@pytest.mark.parametrize("wrong", ["QFormer", None, nn.Linear])
def test_what_is_no_module_is_refused(wrong):
    with pytest.raises(ValueError, match="give a torch module"):
        shape_table(wrong, torch.zeros(1))
    with pytest.raises(ValueError, match="give a torch module"):
        show_stage(wrong)


def test_the_stage_table_in_print(capsys):
    model = nn.ModuleDict({"head": nn.Linear(10, 100), "frozen": nn.Linear(2, 1).half()})
    apply_stage(model, Stage("one", ("head",), 1, 1, 0.1))
    show_stage(model)
    assert capsys.readouterr().out.splitlines() == [
        "module  parameters  trains  dtype    mode",
        "──────  ──────────  ──────  ───────  ─────",
        "head         1,100  yes     float32  train",
        "frozen           3  no      float16  eval",
        "trains: 1,100 of 1,103 parameters, 99.7%",
    ]
    with pytest.raises(ValueError, match="no parameters"):
        stage_text(nn.ReLU())


def test_a_table_refuses_rows_of_another_length():
    assert plain_table(("a", "b"), []) == "a  b\n─  ─"
    with pytest.raises(ValueError, match="has 1 cells, the head has 2"):
        plain_table(("a", "b"), [("1",)])
