"""BLIP-2 to and from transformers: the same weights under other names.

The Q-Former and the projector are copied. Image encoder and language model are transformers' own
modules on both sides: `from_hf` keeps those that it is given, `to_hf` copies their weights.
"""

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.interop.names import load_strictly, qformer_names, renamed
from course_lib.projector import LinearProjector
from course_lib.recipes.blip2_stage1 import QFormerPretraining
from course_lib.vlm import VLM, VPG
from course_lib.vpg.qformer import QFormer, QFormerConfig

# Stage-1 heads: ours -> Blip2ForImageTextRetrieval, which has neither temperature nor LM head.
_HEADS = {
    "vision_proj": "vision_projection",
    "text_proj": "text_projection",
    "itm_head": "itm_head",
}


def qformer_config_from_hf(
    config, num_query_tokens: int, ln_vision_eps: float, use_text: bool
) -> QFormerConfig:
    """Translates a Blip2QFormerConfig.

    Raises:
        ValueError: for settings that our Q-Former does not have.
    """
    if config.hidden_act != "gelu":
        raise ValueError(f"hidden_act={config.hidden_act!r}: the Q-Former here has exact GELU.")
    if config.hidden_dropout_prob != config.attention_probs_dropout_prob:
        raise ValueError(
            f"Dropout is {config.hidden_dropout_prob} for states and "
            f"{config.attention_probs_dropout_prob} for attention: here both are one number."
        )
    same = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    same += ("cross_attention_frequency", "encoder_hidden_size", "vocab_size")
    same += ("max_position_embeddings", "layer_norm_eps")
    return QFormerConfig(
        **{key: getattr(config, key) for key in same},
        num_query_tokens=num_query_tokens,
        ln_vision_eps=ln_vision_eps,
        dropout=config.hidden_dropout_prob,
        use_text=use_text,
    )


def qformer_from_hf(
    qformer: nn.Module,
    query_tokens: torch.Tensor,
    post_layernorm: nn.LayerNorm,
    embeddings: nn.Module | None = None,
) -> QFormer:
    """Copies a Blip2QFormerModel and what it needs from around it.

    Args:
        qformer: Blip2QFormerModel.
        query_tokens: (1, Q, H), a parameter of the model around it.
        post_layernorm: the norm that ends Blip2VisionModel, our `ln_vision`.
        embeddings: Blip2TextEmbeddings; without them the text half is left out.

    Raises:
        ValueError: when the tensors do not fit each other.
    """
    use_text = embeddings is not None
    eps, queries = post_layernorm.eps, query_tokens.shape[1]
    ours = QFormer(qformer_config_from_hf(qformer.config, queries, eps, use_text))
    theirs = {f"qformer.{k}": v for k, v in qformer.state_dict().items()}
    theirs["query_tokens"] = query_tokens
    theirs |= {f"vision_model.post_layernorm.{k}": v for k, v in post_layernorm.named_parameters()}
    if embeddings is not None:
        theirs |= {f"embeddings.{k}": v for k, v in embeddings.state_dict().items()}
    else:
        theirs = {k: v for k, v in theirs.items() if ".intermediate." not in k}
        theirs = {k: v for k, v in theirs.items() if ".output." not in k or "attention" in k}
    back = {v: k for k, v in qformer_names(list(ours.state_dict()), "hf").items()}
    load_strictly(ours, {back.get(k, k): v for k, v in theirs.items()}, type(qformer).__name__)
    return ours.to(query_tokens.dtype).train(qformer.training)


def qformer_to_hf(qformer: QFormer) -> dict[str, torch.Tensor]:
    """Returns the Q-Former's tensors under the names of Blip2ForConditionalGeneration.

    `qformer.*` go to Blip2QFormerModel, `query_tokens` and `vision_model.post_layernorm.*` to the
    model around it, `embeddings.*` (text half) to Blip2ForImageTextRetrieval.
    """
    tensors = qformer.state_dict()
    return renamed(tensors, qformer_names(list(tensors), "hf"))


def _qformer_config_to_hf(config: QFormerConfig):
    from transformers import Blip2QFormerConfig

    same = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    same += ("cross_attention_frequency", "encoder_hidden_size", "vocab_size")
    same += ("max_position_embeddings", "layer_norm_eps")
    return Blip2QFormerConfig(
        **{key: getattr(config, key) for key in same},
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        use_qformer_text_input=config.use_text,
    )


def _around_qformer(hf: nn.Module, embeddings: nn.Module | None = None) -> VPG:
    post_layernorm = hf.vision_model.post_layernorm
    head = qformer_from_hf(hf.qformer, hf.query_tokens, post_layernorm, embeddings)
    return VPG(VisionEncoder(hf.vision_model, layer=-1), head)


def from_hf(hf: nn.Module) -> VLM:
    """Builds our model from a Blip2ForConditionalGeneration (OPT, Llama or T5).

    Encoder and language model are the given modules themselves; Q-Former and projector are copies.
    The text half of the Q-Former, if there is one, is left out: stage 2 never runs it.

    Raises:
        ValueError: when the Q-Former has settings that ours does not have.
    """
    projection = hf.language_projection
    projector = LinearProjector(projection.in_features, projection.out_features)
    projector.load_state_dict(projection.state_dict())
    projector.to(projection.weight.dtype)
    language = LanguageModel(hf.language_model)
    token = hf.config.image_token_index
    return VLM(_around_qformer(hf), projector, language, token).train(hf.training)


def _encoder_config(vpg: VPG):
    encoder = vpg.encoder
    if encoder is None or type(encoder.model).__name__ != "Blip2VisionModel":
        name = "none" if encoder is None else type(encoder.model).__name__
        raise ValueError(
            f"The encoder is {name}: transformers' BLIP-2 classes hold a Blip2VisionModel only. "
            "Use qformer_to_hf to carry the Q-Former alone."
        )
    return encoder.config


def to_hf(model: VLM) -> nn.Module:
    """Builds a Blip2ForConditionalGeneration with the weights of a BLIP-2 of ours.

    Raises:
        ValueError: when the image encoder is no Blip2VisionModel.
    """
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    vision = _encoder_config(model.vpg)
    head = model.vpg.head
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=_qformer_config_to_hf(head.config).to_dict(),
        text_config=model.language.config.to_dict(),
        num_query_tokens=head.config.num_query_tokens,
        image_token_index=model.image_token_id,
    )
    hf = Blip2ForConditionalGeneration(config).to(head.query_tokens.dtype)
    tensors = _encoder_tensors(model.vpg)
    tensors |= {k: v for k, v in qformer_to_hf(head).items() if not k.startswith("embeddings.")}
    tensors |= {f"language_projection.{k}": v for k, v in model.projector.state_dict().items()}
    own = model.language.model.state_dict()
    tensors |= {f"language_model.{k}": v for k, v in own.items()}
    load_strictly(hf, tensors, "to_hf")
    return hf.train(model.training)


def _encoder_tensors(vpg: VPG) -> dict[str, torch.Tensor]:
    tensors = vpg.encoder.model.state_dict()
    # The norm that ends the encoder is ours to train: the head's copy is the one that counts.
    kept = {k: v for k, v in tensors.items() if not k.startswith("post_layernorm.")}
    return {f"vision_model.{k}": v for k, v in kept.items()}


def pretraining_from_hf(hf: nn.Module, bos_token_id: int) -> QFormerPretraining:
    """Builds our stage-1 model from a Blip2ForImageTextRetrieval.

    transformers has neither the LM head nor the temperature of stage 1: ours keep their initial
    values, so ITC and ITM go on where they were, and ITG starts anew.

    Args:
        hf: Blip2ForImageTextRetrieval; its encoder is kept, all else is copied.
        bos_token_id: id of [DEC].

    Raises:
        ValueError: when the Q-Former has settings that ours does not have.
    """
    vpg = _around_qformer(hf, hf.embeddings)
    ours = QFormerPretraining(vpg, bos_token_id, hf.vision_projection.out_features)
    for name, theirs in _HEADS.items():
        getattr(ours.heads, name).load_state_dict(getattr(hf, theirs).state_dict())
    return ours.to(hf.query_tokens.dtype).train(hf.training)


def pretraining_to_hf(model: QFormerPretraining) -> nn.Module:
    """Builds a Blip2ForImageTextRetrieval; LM head and temperature have no place there.

    Raises:
        ValueError: when the image encoder is no Blip2VisionModel.
    """
    from transformers import Blip2Config, Blip2ForImageTextRetrieval

    vision, head = _encoder_config(model.vpg), model.qformer
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=_qformer_config_to_hf(head.config).to_dict(),
        num_query_tokens=head.config.num_query_tokens,
        image_text_hidden_size=model.heads.vision_proj.out_features,
    )
    hf = Blip2ForImageTextRetrieval(config).to(head.query_tokens.dtype)
    tensors = _encoder_tensors(model.vpg) | qformer_to_hf(head)
    for name, theirs in _HEADS.items():
        own = getattr(model.heads, name).state_dict()
        tensors |= {f"{theirs}.{k}": v for k, v in own.items()}
    load_strictly(hf, tensors, "pretraining_to_hf")
    return hf.train(model.training)
