"""The zoo's language models: OPT, LLaMA and T5, which read a scene in words and answer about it.

What decided: loss on captions and answers alone; scenes in seven forms; one thing before two and
three (`zoo.reading`); and, for OPT, learned positions that start as sinusoids. Learned positions
that start as noise have to find "the token before" anew at every position, and look-ups then come
thousands of steps later than with LLaMA's rotary positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.losses import lm_loss

CONTEXT = 384


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """Returns the fixed position vectors of "Attention is all you need", section 3.5."""
    angle = torch.arange(positions)[:, None] * torch.exp(
        -math.log(10_000.0) * torch.arange(0, width, 2) / width
    )
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


def build_opt(
    width: int = 128, layers: int = 4, seed: int = 0, matching: bool = False
) -> OPTForCausalLM:
    """Builds an untrained toy OPT with a context of 384 tokens.

    Args:
        width: of the hidden states; 32 of it are a head.
        layers: how many.
        seed: of the weights.
        matching: lets half of the heads start with queries that point where the keys do.
    """
    tokenizer = build_tokenizer("opt", CONTEXT)
    torch.manual_seed(seed)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        word_embed_proj_dim=width,
        ffn_dim=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=CONTEXT,
        dropout=0.0,
        attention_dropout=0.0,
        layerdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = OPTForCausalLM(config)
    _normal_init(model, 0.05)
    with torch.no_grad():
        table = model.model.decoder.embed_positions.weight
        table[2:] = 0.05 * sinusoids(CONTEXT, width)
    if matching:
        _match_queries(layer.self_attn for layer in model.model.decoder.layers)
    return model


@torch.no_grad()
def _match_queries(attentions: Iterable[nn.Module]) -> None:
    """Lets half of the heads of each attention begin as matches of equal content."""
    for attention in attentions:
        half = attention.q_proj.out_features // 2
        attention.q_proj.weight[half:] = attention.k_proj.weight[half:]


def build_llama(width: int = 128, layers: int = 4, seed: int = 0) -> LlamaForCausalLM:
    """Builds an untrained toy LLaMA with a context of 384 tokens; its positions are rotations.

    Half of the heads start with queries that point where the keys do, as in T5. What decided:
    without that, 4,700 steps of drills and of everything left "where is the red thing?" at chance
    (.5 of two things) while every look-up by place was learned; with it the drill in both
    directions, from nothing, had kinds at 1.0 and colours at .8 after 900 steps.
    """
    tokenizer = build_tokenizer("llama", CONTEXT)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=352,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    _normal_init(model, 0.05)
    _match_queries(layer.self_attn for layer in model.model.layers)
    return model


def build_t5(width: int = 128, layers: int = 3, seed: int = 0) -> T5ForConditionalGeneration:
    """Builds an untrained toy T5 (v1.1: gated GELU, untied head).

    The head starts small: transformers draws an untied one with deviation 1, which makes a loss of
    dozens at the start, and a small model spends hundreds of steps on getting rid of it. The
    heads get a start, too: an optimiser with steps of 0.001 moves a bias of the relative positions
    by 1 in a thousand steps, and until then all positions look alike; but with such a bias in
    every head (they serve all layers) none was left to look for content. With both kinds, from a
    place to what stands there was learned in 600 steps (.89) where either alone stood at chance.
    """
    tokenizer = build_tokenizer("t5", CONTEXT)
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=32,
        d_ff=3 * width,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=width // 32,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        dense_act_fn="gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = T5ForConditionalGeneration(config)
    nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    _give_heads_a_start(model)
    return model


@torch.no_grad()
def _give_heads_a_start(model: T5ForConditionalGeneration) -> None:
    """Lets half of T5's heads begin as neighbours and half as matches of equal content.

    Two heads of the encoder look at the three tokens before and the three behind (buckets 1 to 15
    of the relative positions lie before a token, 17 to 31 behind it). The others, there and in
    cross-attention, have queries that point where the keys do, so that equal words attend to one
    another ("mimetic" initialisation; Trockman and Kolter 2023, arXiv 2305.09828).
    """
    bias = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    nn.init.normal_(bias, std=0.1)
    bias[[1, 2, 3], 0] = 4.0
    bias[[17, 18, 19], 1] = 4.0
    attentions = [block.layer[0].SelfAttention for block in model.encoder.block]
    attentions += [block.layer[1].EncDecAttention for block in model.decoder.block]
    half = model.config.num_heads * model.config.d_kv // 2
    for attention in attentions:
        attention.q.weight[half:] = attention.k.weight[half:] * model.config.d_kv**-0.5


def _normal_init(model: nn.Module, embedding_std: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=embedding_std)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)


class CausalPretraining(nn.Module):
    """Next-token loss of a decoder-only model on the targets of its documents.

    Texts that begin at position 0 go the course's own short way, which takes a quarter less time.
    """

    def __init__(self, model: OPTForCausalLM | LlamaForCausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict) -> torch.Tensor:
        if "position_ids" not in batch:
            host = LanguageModel(self.model)
            embeds = host.embed(batch["input_ids"])
            return host.loss(embeds, batch["attention_mask"], batch["labels"])
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "position_ids")}
        hidden = self.model.model(**inputs).last_hidden_state
        return lm_loss(hidden, self.model.lm_head, batch["labels"])[0]


class Seq2SeqPretraining(nn.Module):
    """Loss of an encoder-decoder on one target of each document, or of its encoder on its cues."""

    def __init__(self, model: T5ForConditionalGeneration) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict) -> torch.Tensor:
        if "encoder_labels" not in batch:
            return self.model(**batch).loss
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
        hidden = self.model.encoder(**inputs).last_hidden_state
        labelled = batch["encoder_labels"] != -100
        logits = self.model.lm_head(hidden[labelled])
        return functional.cross_entropy(logits, batch["encoder_labels"][labelled])


def shipped_llama() -> CausalPretraining:
    """Loads the zoo's LLaMA as it ships, in float32, to be trained on."""
    from course_lib.zoo.load import zoo_dir  # which imports the registry, and that this file

    model = LlamaForCausalLM.from_pretrained(zoo_dir("llama"), dtype=torch.float32)
    return CausalPretraining(model)
