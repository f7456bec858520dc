"""The parts of the encoder, over packed tokens: embeddings, attention, gated MLP, one layer.

Letters: T tokens of all packed sequences, Q tokens whose vectors are wanted (T, or fewer in the last layer), D width,
N heads, H head width. Modules are named so that the parameters have the original MosaicBERT's names.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from genomask.encoders.attention import Attend
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.dropout import Dropout
from genomask.encoders.inputs import PackedTokens
from genomask.encoders.linear import Linear, is_plain, linear, type_of_products
from genomask.encoders.stem import Stem
from genomask.errors import DataError


class LayerNorm(nn.LayerNorm):
    """Layer normalisation, in the autocast type if `low_precision` (autocast would raise it to float32)."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__(config.hidden_size, eps=config.layer_norm_eps)
        self.low_precision = config.low_precision_layernorm

    def forward(self, x: Tensor) -> Tensor:
        """(T, D) -> (T, D)."""
        device = x.device.type
        if not (self.low_precision and torch.is_autocast_enabled(device)):
            return super().forward(x)
        dtype = type_of_products(x)
        with torch.autocast(device, enabled=False):
            return F.layer_norm(
                x.to(dtype), self.normalized_shape, self.weight.to(dtype), self.bias.to(dtype), self.eps
            )


class Embeddings(nn.Module):
    """Word plus token type (plus learned position, plus stem) -> LayerNorm -> dropout."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(
            config.padded_vocab_size, config.hidden_size, padding_idx=config.pad_token_id
        )
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        if config.position_encoding.learned:
            self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.stem = Stem(config) if config.stem_width > 1 else None
        self.LayerNorm = LayerNorm(config)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: PackedTokens, positions: Tensor | None) -> Tensor:
        """T tokens, and their places in the sequence (for learned positions only) -> (T, D).

        Raises DataError for vectors in place of ids if there is a stem, which reads ids.
        """
        types, kinds = self.token_type_embeddings, tokens.token_type_ids
        x = self.word_embeddings(tokens.input_ids) if tokens.inputs_embeds is None else tokens.inputs_embeds
        if kinds is None and is_plain(types, nn.Embedding):
            x = x + types.weight[0]
        else:
            no_types = torch.zeros(len(x), dtype=torch.long, device=x.device)
            x = x + types(no_types if kinds is None else kinds)
        if positions is not None:
            x = x + self.position_embeddings(positions)
        if self.stem is not None:
            if tokens.input_ids is None:
                raise DataError("this model's stem reads the ids of a token's neighbours; give input_ids, not vectors")
            x = x + self.stem(tokens.input_ids, tokens.cu_seqlens)
        return self.dropout(self.LayerNorm(x))


class SelfAttention(nn.Module):
    """One fused projection to q, k, v (in this order), then the backend."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.Wqkv = Linear(config.hidden_size, 3 * config.hidden_size)

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        """(T, D) -> (T, D)."""
        q, k, v = self.Wqkv(hidden).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return attend(q, k, v, None).flatten(1)

    def attend_from(self, queries: Tensor, rows: Tensor, hidden: Tensor, attend: Attend) -> Tensor:
        """The same for some tokens only: `rows` (Q, D) are the vectors of the tokens at `queries` (Q,) -> (Q, D)."""
        if not is_plain(self.Wqkv, Linear):
            q, k, v = self.Wqkv(hidden).unflatten(-1, (3, self.heads, -1)).unbind(1)
            return attend(q.index_select(0, queries), k, v, queries).flatten(1)
        width = hidden.shape[-1]
        (q_weight, kv_weight), (q_bias, kv_bias) = (
            x.split([width, 2 * width]) for x in (self.Wqkv.weight, self.Wqkv.bias)
        )
        q = linear(rows, q_weight, q_bias).unflatten(-1, (self.heads, -1))
        k, v = linear(hidden, kv_weight, kv_bias).unflatten(-1, (2, self.heads, -1)).unbind(1)
        return attend(q, k, v, queries).flatten(1)


class AttentionOutput(nn.Module):
    """Projection -> dropout -> add the residual -> LayerNorm."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = LayerNorm(config)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, mixed: Tensor, residual: Tensor) -> Tensor:
        """Mixed values (Q, D) and the input of attention (Q, D) -> (Q, D)."""
        return self.LayerNorm(self.dropout(self.dense(mixed)) + residual)


class AttentionBlock(nn.Module):
    """Self-attention with its output; provides the names `attention.self` and `attention.output`."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = AttentionOutput(config)

    def forward(self, hidden: Tensor, attend: Attend, queries: Tensor | None) -> Tensor:
        """(T, D) -> (T, D), or (Q, D) for only the tokens at `queries`."""
        if queries is None:
            return self.output(self.self(hidden, attend), hidden)
        rows = hidden.index_select(0, queries)
        return self.output(self.self.attend_from(queries, rows, hidden, attend), rows)


class GatedMlp(nn.Module):
    """GeGLU: GELU of the first half times the second half -> dropout -> wo -> add the residual -> LayerNorm."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.gated_layers = Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.wo = Linear(config.intermediate_size, config.hidden_size)
        self.dropout = Dropout(config.hidden_dropout_prob)
        self.layernorm = LayerNorm(config)

    def forward(self, x: Tensor) -> Tensor:
        """(Q, D) -> (Q, D)."""
        gate, value = self.gate_and_value(x)
        return self.layernorm(self.wo(self.dropout(F.gelu(gate) * value)) + x)

    def gate_and_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(Q, D) -> twice (Q, intermediate_size).

        On a CPU by two products: with one, the gradients of its two halves would be copied side by side.
        """
        if x.device.type == "cpu" and is_plain(self.gated_layers, Linear):
            gate, value = self.gated_layers.weight.chunk(2)
            return linear(x, gate), linear(x, value)
        gate, value = self.gated_layers(x).chunk(2, dim=-1)
        return gate, value


class DenseMlp(nn.Module):
    """BERT's MLP, with dropout where the gated one has it: wi -> GELU -> dropout -> wo -> residual -> LayerNorm."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.wi = Linear(config.hidden_size, config.intermediate_size)
        self.wo = Linear(config.intermediate_size, config.hidden_size)
        self.dropout = Dropout(config.hidden_dropout_prob)
        self.layernorm = LayerNorm(config)

    def forward(self, x: Tensor) -> Tensor:
        """(Q, D) -> (Q, D)."""
        return self.layernorm(self.wo(self.dropout(F.gelu(self.wi(x)))) + x)


class Layer(GradientCheckpointingLayer):
    """Attention and MLP, each followed by its LayerNorm (post-LN)."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.attention = AttentionBlock(config)
        self.mlp = GatedMlp(config) if config.mlp == "glu" else DenseMlp(config)

    def forward(self, hidden: Tensor, attend: Attend, queries: Tensor | None = None) -> Tensor:
        """(T, D) -> (T, D); with `queries` (Q,) ascending, only the vectors of the tokens there: (Q, D)."""
        return self.mlp(self.attention(hidden, attend, queries))
