"""LoRA: a frozen linear layer and, beside it, the product of two thin matrices that trains.

    y = W x + b + (alpha / r) B A x        A is (r, in), B is (out, r), r small

arXiv 2106.09685, equation 3. mPLUG-Owl's second stage (arXiv 2304.14178, section 3.2) trains this
in the language model and nothing else: q_proj and v_proj of all layers, r = 8, alpha = 32, dropout
0.05 (`pipeline/train.py` of X-PLUG/mPLUG-Owl), which is 4,194,304 parameters at 7B. The paper's
abstract lets the abstractor train as well; its figure 2, its authors and its code freeze it.

Letters: r rank, in and out widths of the layer, [...] any axes in front.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

_MATRICES = ("lora_A", "lora_B")


class LoRALinear(nn.Linear):
    """A linear layer with its LoRA; `weight` and `bias` keep their names, and are frozen.

    The paper draws A from a Gaussian; its code (microsoft/LoRA, loralib/layers.py) and peft draw it
    like the weight of any linear layer, uniform within 1 / sqrt(in), and so do we. B starts at zero
    and with it the whole update: a fresh LoRA changes no output. A and B are float32 beside weights
    of half precision, as in peft.

    Args:
        linear: the layer; its weight and bias are taken over, not copied.
        r: rank; the update of the weight has at most this rank.
        alpha: the update is scaled by alpha / r.
        dropout: share of the inputs of A dropped while training; W sees them all.

    Raises:
        ValueError: for a rank, alpha or dropout that cannot be meant.
    """

    def __init__(
        self, linear: nn.Linear, r: int = 8, alpha: float = 32.0, dropout: float = 0.05
    ) -> None:
        if r < 1 or alpha <= 0 or not 0 <= dropout < 1:
            raise ValueError(
                f"LoRA got r={r}, alpha={alpha} and dropout={dropout}: r is at least 1, alpha "
                "above 0 and dropout from 0 to below 1."
            )
        width, out = linear.in_features, linear.out_features
        super().__init__(width, out, bias=linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.r, self.alpha, self.merged = r, alpha, False
        dtype = torch.promote_types(linear.weight.dtype, torch.float32)
        self.lora_A = nn.Parameter(linear.weight.new_empty(r, width, dtype=dtype))
        self.lora_B = nn.Parameter(linear.weight.new_zeros(out, r, dtype=dtype))
        self.lora_dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.train(linear.training)

    @property
    def scale(self) -> float:
        """alpha / r: with it a change of r asks for no other learning rate."""
        return self.alpha / self.r

    def delta(self) -> torch.Tensor:
        """Returns what LoRA adds to the weight, (out, in)."""
        return self.lora_B @ self.lora_A * self.scale

    @torch.no_grad()
    def merge(self) -> None:
        """Adds the update to the weight: one matrix again, as fast as without LoRA.

        Raises:
            ValueError: when that was done already.
        """
        if self.merged:
            raise ValueError("This LoRA is merged already: unmerge it first.")
        self.weight += self.delta().to(self.weight.dtype)
        self.merged = True

    @torch.no_grad()
    def unmerge(self) -> None:
        """Takes the update off the weight, exact but for rounding.

        Raises:
            ValueError: when it is not merged.
        """
        if not self.merged:
            raise ValueError("This LoRA is not merged: there is nothing to take off.")
        self.weight -= self.delta().to(self.weight.dtype)
        self.merged = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [..., in] to [..., out], in the dtype of the weight."""
        out = super().forward(x)
        if self.merged:
            return out
        x = self.lora_dropout(x.to(self.lora_A.dtype))
        update = F.linear(F.linear(x, self.lora_A), self.lora_B)
        return (out + update * self.scale).to(out.dtype)

    def extra_repr(self) -> str:
        """Adds rank, alpha and whether it is merged to what torch prints."""
        return f"{super().extra_repr()}, r={self.r}, alpha={self.alpha}, merged={self.merged}"


def add_lora(
    model: nn.Module,
    targets: Iterable[str],
    r: int = 8,
    alpha: float = 32.0,
    dropout: float = 0.05,
) -> list[str]:
    """Puts a LoRA on every linear layer that the list names, and freezes all else in the model.

    Give it the language model, not the whole VLM: an image encoder has layers named q_proj, too.
    A stage then lists "language.model.model.layers.*.self_attn.*.lora_*", matrices and dropout.

    Args:
        model: changed in place; parameters keep their names, `NAME.lora_A` and `.lora_B` join them.
        targets: names of layers, or the last parts of names: "q_proj" takes all of that name,
            "layers.0.self_attn.q_proj" one. A list of what gets a LoRA; nothing else does.
        r: see `LoRALinear`.
        alpha: see `LoRALinear`.
        dropout: see `LoRALinear`.

    Returns:
        The names of the layers, in the model's order.

    Raises:
        ValueError: when a target names nothing, or something that can take no LoRA; the model is
            then as it was.
    """
    chosen = _chosen(model, targets)
    made = {id(layer): LoRALinear(layer, r, alpha, dropout) for layer in chosen.values()}
    for name, layer in chosen.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, made[id(layer)])
    own = {id(p) for m in lora_layers(model).values() for p in (m.lora_A, m.lora_B)}
    for parameter in model.parameters():
        if id(parameter) not in own:
            parameter.requires_grad_(False)
    return list(chosen)


def _chosen(model: nn.Module, targets: Iterable[str]) -> dict[str, nn.Linear]:
    targets = [targets] if isinstance(targets, str) else list(targets)
    modules = {k: m for k, m in model.named_modules(remove_duplicate=False) if k}
    found = {t: [k for k in modules if f".{k}".endswith(f".{t}")] for t in targets}
    nothing = [target for target, names in found.items() if not names]
    if nothing or not targets:
        ends = sorted({k.rpartition(".")[2] for k, m in modules.items() if _takes_lora(m)})
        raise ValueError(
            f"The targets {nothing or targets} name no layer of {type(model).__name__}: choose "
            f"among its linear layers ({', '.join(ends) or 'it has none'})."
        )
    chosen = [name for name in modules if any(name in names for names in found.values())]
    owners = Counter(id(p) for m in model.modules() for p in m.parameters(recurse=False))
    for name in chosen:
        if not _takes_lora(modules[name]):
            raise ValueError(
                f"{name} is a {type(modules[name]).__name__}, which can take no LoRA: only plain "
                "linear layers can, and each one LoRA."
            )
        if owners[id(modules[name].weight)] > 1:
            raise ValueError(
                f"{name}.weight is tied to another layer, which a merge would change, too: untie "
                "it, or leave it out of the targets."
            )
    return {name: modules[name] for name in chosen}


def _takes_lora(module: nn.Module) -> bool:
    # The output layer of nn.MultiheadAttention is never called: its weight is read past it.
    passed_by = nn.modules.linear.NonDynamicallyQuantizableLinear
    plain = isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward
    return plain and not isinstance(module, passed_by)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Returns the layers that have a LoRA, by name.

    Raises:
        ValueError: when there is none.
    """
    found = {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}
    if not found:
        raise ValueError(f"{type(model).__name__} has no LoRA: give it one with add_lora.")
    return found


def merge_lora(model: nn.Module) -> None:
    """Merges every LoRA of a model into its weight (see `LoRALinear.merge`)."""
    for layer in lora_layers(model).values():
        layer.merge()


def unmerge_lora(model: nn.Module) -> None:
    """Takes every LoRA of a model off its weight again."""
    for layer in lora_layers(model).values():
        layer.unmerge()


def lora_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns the LoRA alone, {"NAME.lora_A": (r, in), "NAME.lora_B": (out, r), ...}."""
    layers = lora_layers(model)
    return {f"{k}.{ab}": getattr(m, ab).detach() for k, m in layers.items() for ab in _MATRICES}


@torch.no_grad()
def load_lora_state_dict(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copies what `lora_state_dict` gave into the LoRA of a model, strictly.

    Raises:
        ValueError: for missing or unknown names, other shapes, or a LoRA that is merged; the model
            is then as it was.
    """
    own = lora_state_dict(model)
    if any(layer.merged for layer in lora_layers(model).values()):
        raise ValueError("The LoRA of this model is merged: unmerge it before loading another.")
    wrong = sorted(own.keys() ^ tensors.keys())
    if wrong:
        raise ValueError(
            f"{len(wrong)} tensors are not in both the model's LoRA and the one to be loaded, such "
            f"as {', '.join(wrong[:3])}: use add_lora with the targets of that LoRA."
        )
    for name, value in tensors.items():
        if own[name].shape != value.shape:
            raise ValueError(
                f"{name} has the shape {tuple(value.shape)}, the model's LoRA "
                f"{tuple(own[name].shape)}: use the same r, on the same base."
            )
    for name, value in tensors.items():
        own[name].copy_(value)
