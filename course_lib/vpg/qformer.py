"""The Q-Former of BLIP-2: learned queries that read a frozen image encoder, and may talk to text.

Letters: B batch, Q queries, T text tokens, S = Q + T, N patches, E vision width, H hidden width.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.vpg.attention import KeyValue
from course_lib.vpg.masks import make_mask
from course_lib.vpg.qformer_layer import QFormerLayer


@dataclass(frozen=True)
class QFormerConfig:
    """Sizes of a Q-Former; the defaults are the paper's, with EVA-CLIP ViT-g as the encoder.

    Args:
        hidden_size: H, width of queries and text.
        num_hidden_layers: blocks.
        num_attention_heads: heads of every attention.
        intermediate_size: width inside the FFNs.
        cross_attention_frequency: the image is read in blocks 0, f, 2f, ...
        encoder_hidden_size: E, width of the image encoder.
        num_query_tokens: Q.
        vocab_size: words of the text half; BERT's 30,522 and [DEC].
        max_position_embeddings: longest text.
        layer_norm_eps: epsilon of every norm but the next.
        ln_vision_eps: epsilon of the norm on the image features (transformers 1e-6, LAVIS 1e-5).
        dropout: of hidden states and attention weights.
        use_text: False leaves out embeddings and FFNs of the text half, as BLIP-2's stage 2 does.
    """

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    cross_attention_frequency: int = 2
    encoder_hidden_size: int = 1408
    num_query_tokens: int = 32
    vocab_size: int = 30523
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-12
    ln_vision_eps: float = 1e-6
    dropout: float = 0.1
    use_text: bool = True


class QFormer(nn.Module):
    """Queries that become the image's words (BLIP-2, section 3.1; LAVIS's blip2.py, Qformer.py).

    It owns `ln_vision`, the norm on the frozen encoder's features: it trains with the queries,
    though transformers stores it in the vision model (`post_layernorm`). Weights start as plain
    N(0, 0.02), LAVIS loads BERT instead; query_tokens too, where transformers starts them at zero,
    which would keep all queries equal for ever.

    Args:
        config: the sizes.
    """

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.ln_vision = nn.LayerNorm(config.encoder_hidden_size, eps=config.ln_vision_eps)
        self.query_tokens = nn.Parameter(torch.empty(1, config.num_query_tokens, width))
        self.word_embeddings = self.position_embeddings = None
        if config.use_text:
            self.word_embeddings = nn.Embedding(config.vocab_size, width)
            self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.embedding_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.embedding_dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            QFormerLayer(config, cross_attention=i % config.cross_attention_frequency == 0)
            for i in range(config.num_hidden_layers)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws every matrix and the queries from N(0, 0.02); biases 0, norms 1."""
        nn.init.normal_(self.query_tokens, std=0.02)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def init_queries_ffn_from_text(self) -> None:
        """Copies each text FFN to the query FFN beside it, as LAVIS does after loading BERT.

        Raises:
            ValueError: when the Q-Former was built without its text half.
        """
        self._require_text()
        for layer in self.layers:
            layer.query_ffn.load_state_dict(layer.text_ffn.state_dict())

    def _require_text(self) -> None:
        if not self.config.use_text:
            raise ValueError(
                "This Q-Former was built with use_text=False and cannot read text: build it with "
                "use_text=True, or pass image_features alone."
            )

    def embed_text(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Adds word and position embeddings, positions from 0: (B, T) -> (B, T, H), no norm yet.

        Raises:
            ValueError: when there is no text half, or the text is too long for it.
        """
        self._require_text()
        length, limit = input_ids.shape[1], self.config.max_position_embeddings
        if length > limit:
            raise ValueError(
                f"The text has {length} tokens, the Q-Former takes at most {limit}: shorten it."
            )
        return self.word_embeddings(input_ids) + self.position_embeddings.weight[:length]

    def forward(
        self,
        image_features: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        self_attention_mask: torch.Tensor | None = None,
        num_outputs: int | None = None,
    ) -> torch.Tensor:
        """Runs queries alone, text alone, or both together.

        Args:
            image_features: (B, N, E) from the encoder, before `ln_vision`; None = text alone.
            input_ids: (B, T) words; None = queries alone.
            attention_mask: (B, T), 0 at padding; None = no padding.
            self_attention_mask: (B or 1, S, S) bool, True = may attend (see `make_mask`); None =
                everyone reads everyone but padding.
            num_outputs: how many positions somebody reads, from the first on: the last block works
                out no others. None = all.

        Returns:
            (B, Q + T, H), (B, Q, H) or (B, T, H), of `num_outputs` positions where these are given.

        Raises:
            ValueError: when there is neither image nor text, or a shape does not fit.
        """
        parts, queries = [], 0
        if image_features is not None:
            self._check_features(image_features)
            queries = self.config.num_query_tokens
            parts.append(self._queries(image_features, alone=input_ids is None))
        if input_ids is not None:
            parts.append(self.embed_text(input_ids))
        if not parts:
            raise ValueError("The Q-Former got neither image_features nor input_ids: pass one.")
        mask = self_attention_mask
        if mask is None and input_ids is not None and attention_mask is not None:
            mask = make_mask("itm", queries, attention_mask)
        hidden = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return self._run(hidden, queries, image_features, mask, num_outputs=num_outputs)[0]

    def encode_image(self, image_features: torch.Tensor) -> tuple[torch.Tensor, list[KeyValue]]:
        """Runs the queries alone and keeps each block's keys and values for `decode_text`.

        Args:
            image_features: (B, N, E), before `ln_vision`.

        Returns:
            (hidden (B, Q, H), one (key, value) a block, each (B, heads, Q, K)).
        """
        self._check_features(image_features)
        queries = self._queries(image_features, alone=True)
        return self._run(queries, self.config.num_query_tokens, image_features)

    def decode_text(
        self,
        input_ids: torch.Tensor,
        cache: list[KeyValue],
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Reads text causally behind the queries: what LAVIS does for ITG.

        Equal to the text part of a joint pass under `make_mask("itg", ...)`, without computing the
        queries a second time.

        Args:
            input_ids: (B, T); LAVIS starts it with [DEC].
            cache: what `encode_image` gave for the same images.
            attention_mask: (B, T), 0 at padding; None = no padding.

        Returns:
            (B, T, H).
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        queries = cache[0][0].shape[2]
        mask = make_mask("itg", queries, attention_mask)[:, queries:]
        return self._run(self.embed_text(input_ids), 0, None, mask, cache)[0]

    def _queries(self, image_features: torch.Tensor, alone: bool) -> torch.Tensor:
        """Returns the queries, (B, Q, H), or (1, Q, H) where one row can stand for all.

        Queries alone are the same for every image until they look at it, in the first block's
        cross-attention, so that its self-attention has to run only once (unless dropout makes
        the rows different).
        """
        rows = image_features.shape[0]
        if alone and rows and not (self.training and self.config.dropout):
            rows = 1
        return self.query_tokens.expand(rows, -1, -1)

    def _run(
        self,
        hidden: torch.Tensor,
        queries: int,
        image_features: torch.Tensor | None,
        mask: torch.Tensor | None = None,
        cache: list[KeyValue] | None = None,
        num_outputs: int | None = None,
    ) -> tuple[torch.Tensor, list[KeyValue]]:
        hidden = self.embedding_dropout(self.embedding_norm(hidden))
        image, norm = image_features, self.ln_vision
        if image is not None:
            # Without weight and bias: the layers apply these where it costs least.
            image = F.layer_norm(image, norm.normalized_shape, eps=norm.eps)
        mask = None if mask is None else mask[:, None]
        kept = []
        for layer, past in zip(self.layers, cache or [None] * len(self.layers), strict=True):
            wanted = num_outputs if layer is self.layers[-1] else None
            hidden, own = layer(hidden, queries, image, norm, mask, past, wanted)
            kept.append(own)
        return hidden, kept

    def _check_features(self, image_features: torch.Tensor) -> None:
        width = self.config.encoder_hidden_size
        if image_features.dim() != 3 or image_features.shape[-1] != width:
            raise ValueError(
                f"image_features have the shape {tuple(image_features.shape)}, the Q-Former reads "
                f"(images, patches, {width}): use the encoder that it was built for."
            )
