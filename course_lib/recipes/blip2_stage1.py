"""BLIP-2, stage 1: a Q-Former learns what the image says, from ITC, ITM and ITG, without an LLM.

Letters: B batch, Q queries, T text tokens, N patches, E vision width, H hidden, C shared space.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.losses.contrastive import (
    gather_texts,
    gather_with_gradient,
    itc_loss,
    itc_similarity,
    own_columns,
)
from course_lib.losses.lm import IGNORE, lm_loss, weighed_by_words
from course_lib.losses.matching import itm_loss, sample_negatives_of_all
from course_lib.vlm import VPG

LOSSES = ("itc", "itm", "itg")


class LMHead(nn.Module):
    """BERT's head: dense, exact GELU, norm, then the word embeddings themselves and a bias.

    Args:
        word_embeddings: the table that the output is tied to; it is not a part of this module.
        layer_norm_eps: epsilon of the norm.
    """

    def __init__(self, word_embeddings: nn.Embedding, layer_norm_eps: float) -> None:
        super().__init__()
        words, width = word_embeddings.weight.shape
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(words))
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)

    def forward(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Maps (n, H) and the table (V, H) to logits (n, V)."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), words, self.bias)


class Stage1Heads(nn.Module):
    """What only stage 1 needs: projections to a shared space, two classes, words, a temperature.

    Args:
        vpg_head: the Q-Former, built with its text half.
        shared_size: C; 256 in the paper's code.
    """

    def __init__(self, vpg_head: nn.Module, shared_size: int = 256) -> None:
        super().__init__()
        config = vpg_head.config
        self.vision_proj = nn.Linear(config.hidden_size, shared_size)
        self.text_proj = nn.Linear(config.hidden_size, shared_size)
        self.itm_head = nn.Linear(config.hidden_size, 2)
        self.lm_head = LMHead(vpg_head.word_embeddings, config.layer_norm_eps)
        self.temperature = nn.Parameter(torch.tensor(0.07))
        for layer in (self.vision_proj, self.text_proj, self.itm_head):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)


class QFormerPretraining(nn.Module):
    """The model of BLIP-2's first stage (section 3.2; LAVIS's blip2_qformer.py).

    Four passes of one Q-Former: queries alone, text alone (ITC), text behind the queries' keys and
    values (ITG), both together on 3B pairs (ITM). The losses are added with weight 1. On several
    processes ITC's and ITM's negatives come from all of them; ours differs from LAVIS in that the
    gather of ITC carries gradient, and that ITG counts every word of all processes the same.

    A batch is a dict: pixel_values (B, 3, height, width) or image_features (B, N, E), input_ids
    (B, T) that start with [CLS], attention_mask (B, T) with 0 at padding. Row i of the images
    belongs to row i of the texts.

    Args:
        vpg: encoder (or None) and Q-Former with text half.
        bos_token_id: [DEC], which takes the place of [CLS] when text is written.
        shared_size: C.
        losses: which of "itc", "itm", "itg" to add up.
        label_smoothing: in ITC and ITG.

    Raises:
        ValueError: for a Q-Former without text half, or unknown losses.
    """

    def __init__(
        self,
        vpg: VPG,
        bos_token_id: int,
        shared_size: int = 256,
        losses: tuple[str, ...] = LOSSES,
        label_smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        if not vpg.head.config.use_text:
            raise ValueError("Stage 1 reads text: build the Q-Former with use_text=True.")
        unknown = set(losses) - set(LOSSES)
        if unknown or not losses:
            raise ValueError(
                f"losses={tuple(losses)!r} cannot be used: choose at least one of {LOSSES}."
            )
        self.vpg, self.heads = vpg, Stage1Heads(vpg.head, shared_size)
        self.bos_token_id, self.losses = bos_token_id, tuple(losses)
        self.label_smoothing = label_smoothing
        self.generator: torch.Generator | None = None

    @property
    def qformer(self) -> nn.Module:
        """The Q-Former, `vpg.head`."""
        return self.vpg.head

    def forward(
        self, batch: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Computes the sum of the chosen losses and each of them.

        Hard negatives are drawn from torch's global generator, or from `self.generator` if set.

        Returns:
            (scalar, {"itc": scalar, "itm": scalar, "itg": scalar}, the chosen ones).

        Raises:
            ValueError: when images and texts are not as many, or ITM has a batch of one.
        """
        features, (ids, mask) = self._features(batch), _text(batch)
        if len(features) != len(ids):
            raise ValueError(
                f"The batch has {len(features)} images and {len(ids)} texts: stage 1 reads pairs."
            )
        queries, cache = self.qformer.encode_image(features)
        parts = {}
        if {"itc", "itm"} & set(self.losses):
            sims = self._gathered_similarities(queries, ids, mask)
        if "itc" in self.losses:
            own = own_columns(len(ids), ids.device)
            parts["itc"] = itc_loss(*sims, self.heads.temperature, self.label_smoothing, own)
        if "itm" in self.losses:
            scaled = [sim / self.heads.temperature for sim in sims]
            parts["itm"] = self._itm(features, ids, mask, *scaled)
        if "itg" in self.losses:
            parts["itg"] = self.itg_loss(ids, mask, cache)
        return sum(parts.values()), parts

    def _features(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self.vpg.features(batch.get("pixel_values"), batch.get("image_features"))

    def _project_queries(self, queries: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.heads.vision_proj(queries), dim=-1)

    def embed_images(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Puts images into the shared space: (B, Q, C), each query of length 1."""
        return self._project_queries(self.qformer(self._features(batch)))

    def embed_texts(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Puts texts into the shared space by their [CLS]: (B, C), each of length 1."""
        ids, mask = _text(batch)
        hidden = self.qformer(input_ids=ids, attention_mask=mask, num_outputs=1)
        return F.normalize(self.heads.text_proj(hidden[:, 0]), dim=-1)

    def similarity(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compares every image with every text of a batch: cosines (images, texts).

        Images and texts need not be as many. Equal to transformers' Blip2ForImageTextRetrieval.
        """
        return itc_similarity(self.embed_images(batch), self.embed_texts(batch))

    def itm_logits(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Judges pairs, row i of the images with row i of the texts: (B, 2), class 1 = match.

        Retrieval re-ranks its best candidates by this logit plus the cosine (section 4.4).
        """
        return self._match(self._features(batch), *_text(batch))

    def _match(self, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        queries = self.qformer.config.num_query_tokens  # the verdict is theirs alone
        hidden = self.qformer(features, ids, mask, num_outputs=queries)
        return self.heads.itm_head(hidden).mean(dim=1)

    def _gathered_similarities(
        self, queries: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compares own images with all texts and own texts with all images, of all processes."""
        images = self._project_queries(queries)
        texts = self.embed_texts({"input_ids": ids, "attention_mask": mask})
        all_images, all_texts = gather_with_gradient(images), gather_with_gradient(texts)
        return itc_similarity(images, all_texts), itc_similarity(all_images, texts).T

    def _itm(
        self,
        features: torch.Tensor,
        ids: torch.Tensor,
        mask: torch.Tensor,
        sim_i2t: torch.Tensor,
        sim_t2i: torch.Tensor,
    ) -> torch.Tensor:
        """Stacks B right pairs, B with a wrong image, B with a wrong text, and judges them."""
        wrong_image = sample_negatives_of_all(sim_t2i, self.generator)
        wrong_text = sample_negatives_of_all(sim_i2t, self.generator)
        right = own_columns(len(ids), ids.device)
        images = torch.cat([right, wrong_image, right])
        texts = torch.cat([right, right, wrong_text])
        pool = gather_with_gradient(features)[images]
        logits = self._match(pool, gather_texts(ids)[texts], gather_texts(mask)[texts])
        return itm_loss(logits, (torch.arange(len(logits), device=ids.device) < len(ids)).long())

    def itg_states(self, ids: torch.Tensor, mask: torch.Tensor, cache: list) -> torch.Tensor:
        """Runs text behind the queries, with [DEC] in the place of [CLS]: states (B, T, H)."""
        written = ids.clone()
        written[:, 0] = self.bos_token_id
        return self.qformer.decode_text(written, cache, mask)

    def itg_loss(self, ids: torch.Tensor, mask: torch.Tensor, cache: list) -> torch.Tensor:
        """Computes the loss of writing the text behind the queries (ITG), a scalar.

        Args:
            ids: (B, T), [CLS] first.
            mask: (B, T), 0 at padding, which has no loss.
            cache: keys and values of `QFormer.encode_image` for the same images.
        """
        states = self.itg_states(ids, mask, cache)
        labels = ids.masked_fill(~mask.bool(), IGNORE)
        loss, words = lm_loss(states, self.lm_head, labels, self.label_smoothing)
        return weighed_by_words(loss, words)

    def lm_head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps states (n, H) to logits of words (n, V)."""
        return self.heads.lm_head(hidden, self.qformer.word_embeddings.weight)


def _text(batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = batch["input_ids"], batch.get("attention_mask")
    mask = torch.ones_like(ids) if mask is None else mask
    if not mask[:, 0].all():
        raise ValueError(
            "A text starts with padding, but its first word has to be [CLS]: pad on the right."
        )
    return ids, mask
