"""Toy models with weights, built by the planner's own jobs, to count what the planner only says."""

from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.gated_vlm import GatedVLM
from course_lib.planner import jobs, shapes
from course_lib.planner.inventory import Inventory
from course_lib.planner.texts import Text
from course_lib.training.stages import Stage, apply_stage

TEXT = Text(words=40, labelled=20, source="this test")
ROWS = 2
_PRODUCTS = {"mm", "addmm", "convolution", "convolution_backward"}


class Built:
    """One job at `toy` whose model lies in memory, weights random.

    Args:
        recipe: its name.
        number: of the stage.
        variant: see `jobs_of`.
        patch: pytest's monkeypatch; the planner then builds on the CPU.
    """

    def __init__(self, recipe: str, number: str, variant: str, patch) -> None:
        made: list[tuple[nn.Module, Stage, Inventory]] = []
        take = jobs.take_inventory

        def keep(model, stage, rules):
            made.append((model, stage, take(model, stage, rules)))
            if len(made) == int(number):
                self.batch = self._batch(recipe, number, model)  # before a LoRA joins it
            return made[-1][2]

        on_cpu = SimpleNamespace(device=lambda name: torch.device("cpu"))
        for module in (jobs, shapes):
            patch.setattr(module, "torch", on_cpu)
        patch.setattr(jobs, "take_inventory", keep)
        patch.setattr(jobs, "text_of", lambda *names: TEXT)
        jobs.jobs_of(recipe, "toy", variant)
        self.model, stage, self.inventory = made[int(number) - 1]
        if recipe == "flamingo":
            parts = (self.model[name] for name in ("vpg", "gated", "language"))
            self.model = GatedVLM(*parts, jobs.IMAGE_TOKEN)
        apply_stage(self.model, stage)
        if "language" in dict(self.model.named_children()):
            # The short way leaves out of the last block what nobody reads.
            patch.setattr(type(self.model.language), "_short_way", lambda *args: None)

    @staticmethod
    def _batch(recipe: str, number: str, model: nn.Module) -> dict[str, torch.Tensor]:
        pixels = torch.randn(ROWS, 3, 48, 48)
        words = torch.randint(5, 600, (ROWS, int(TEXT.words)))
        if (recipe, number) == ("blip2", "1"):
            return {"pixel_values": pixels, "input_ids": words}
        if recipe == "flamingo":
            labels = torch.full_like(words, -100)
            labels[:, -int(TEXT.labelled) :] = words[:, -int(TEXT.labelled) :]
            words[:, 0] = jobs.IMAGE_TOKEN
            return {"pixel_values": pixels, "input_ids": words, "labels": labels}
        with torch.no_grad():
            places = model.projector(model.vpg(pixel_values=pixels)).shape[1]
        if model.language.is_encoder_decoder:
            prefix, labels = words.chunk(2, dim=1)
        else:
            prefix = words
            labels = torch.full((ROWS, places + words.shape[1]), -100)
            labels[:, -int(TEXT.labelled) :] = words[:, -int(TEXT.labelled) :]
        ids = torch.cat([torch.full((ROWS, places), jobs.IMAGE_TOKEN), prefix], dim=1)
        return {"pixel_values": pixels, "input_ids": ids, "labels": labels}

    def loss(self) -> torch.Tensor:
        """Runs the model forward."""
        out = self.model(self.batch)
        return out[0] if isinstance(out, tuple) else out

    def flops_of_a_sample(self) -> float:
        """Counts what products with weights cost, forward and backward."""
        with FlopCounterMode(display=False) as counter:
            self.loss().backward()
        found = counter.get_flop_counts()["Global"]
        return sum(n for op, n in found.items() if str(op).split(".")[-1] in _PRODUCTS) / ROWS

    def kept_of_a_sample(self) -> float:
        """Counts the bytes that a forward pass keeps for the backward pass, weights left out."""
        own = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        kept: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = self.loss()
        assert loss.requires_grad
        return sum(kept.values()) / ROWS
