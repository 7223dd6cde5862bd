"""The zoo's image encoder: a CLIP pair trained from scratch, contrastively, on scenes and captions.

What decided: with random batches the digits stay unread (51 % by a linear probe after 1,500
steps), since colour and place already tell the pairs of a batch apart. Scenes that differ in one
attribute, and first steps on single quadrants, are what makes the digits visible. And position
embeddings have to start loud, for whoever reads patches later has no other way to tell where.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.world.scene import IMAGE_SIZE
from course_lib.zoo.clip_data import clip_batch

TEXT_LENGTH = 48
# As loud as the patches. With transformers' 0.02 one patch of the second-last layer told its
# quadrant in 42 % of cases (chance: 25 %): a Q-Former, which knows no positions, then names the
# right colours, sizes and kinds in the wrong places (12 % of things right in scenes of three). The
# score `place` on the card is that probe: .91 now, and BLIP-2 with OPT names .95 of things right.
POSITION_STD = 1.0


def build_clip(patch_size: int = 8, width: int = 128, layers: int = 5, seed: int = 0) -> CLIPModel:
    """Builds the untrained pair: 48 × 48 pixels, plain normal initialisation in float32."""
    tokenizer = build_tokenizer("clip", TEXT_LENGTH)
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=patch_size,
        projection_dim=width,
    )
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TEXT_LENGTH,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=width
    )
    model = CLIPModel(config)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=fan_in**-0.5)
    nn.init.normal_(model.vision_model.embeddings.position_embedding.weight, std=POSITION_STD)
    return model


def quadrant_tokens(patch_size: int) -> torch.Tensor:
    """Returns the positions of each quadrant's patches behind the class token, (4, patches)."""
    side = IMAGE_SIZE // patch_size
    grid = torch.arange(side * side).view(side, side) + 1
    half = side // 2
    rows = [grid[:half, :half], grid[:half, half:], grid[half:, :half], grid[half:, half:]]
    return torch.stack([row.reshape(-1) for row in rows])


def image_embedding(
    model: CLIPModel, pixel_values: torch.Tensor, quadrant: torch.Tensor | None = None
) -> torch.Tensor:
    """Embeds images, each from all of its patches or from those of one quadrant.

    Args:
        pixel_values: (B, 3, 48, 48).
        quadrant: (B,) index of the quadrant that is seen, None for all.

    Returns:
        Unit vectors (B, projection width).
    """
    vision = model.vision_model
    hidden = vision.embeddings(pixel_values)
    if quadrant is not None:
        keep = quadrant_tokens(model.config.vision_config.patch_size)[quadrant]
        keep = torch.cat([torch.zeros_like(keep[:, :1]), keep], dim=1)
        hidden = hidden.gather(1, keep[..., None].expand(-1, -1, hidden.shape[-1]))
    hidden = vision.encoder(inputs_embeds=vision.pre_layrnorm(hidden)).last_hidden_state
    return F.normalize(model.visual_projection(vision.post_layernorm(hidden[:, 0])), dim=-1)


def text_embedding(model: CLIPModel, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Embeds texts (B, T) as unit vectors (B, projection width)."""
    pooled = model.text_model(input_ids=input_ids, attention_mask=mask).pooler_output
    return F.normalize(model.text_projection(pooled), dim=-1)


class CLIPPretraining(nn.Module):
    """The contrastive loss of CLIP, with pairs of equal captions counted as equally right."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip
        self.tokenizer = build_tokenizer("clip", TEXT_LENGTH)

    def forward(self, batch: dict) -> torch.Tensor:
        """Returns the mean of both directions' cross-entropy for a batch of `clip_batch`."""
        # Few captions of a batch differ, so each is encoded once.
        unique = list(dict.fromkeys(batch["texts"]))
        row = {text: index for index, text in enumerate(unique)}
        texts = self.tokenizer(unique, padding=True, return_tensors="pt")
        image = image_embedding(self.clip, batch["pixel_values"], batch["quadrant"])
        text = text_embedding(self.clip, texts["input_ids"], texts["attention_mask"])
        text = text[torch.tensor([row[text] for text in batch["texts"]])]
        logits = self.clip.logit_scale.exp().clamp(max=100) * image @ text.T
        target = batch["same"].float()
        target = target / target.sum(1, keepdim=True)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def clip_step_batch(seed: int, step: int, quadrant_steps: int) -> dict:
    """Returns the batch of a step: single quadrants first, whole scenes after `quadrant_steps`."""
    if step < quadrant_steps:
        return clip_batch(seed, step, "quadrant", 256)
    return clip_batch(seed, step, "scene", 128)
