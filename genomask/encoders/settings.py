"""The recipe's [encoder] table: the shape of the encoder, without the vocabulary, which the tokenizer determines."""

from dataclasses import asdict, dataclass
from typing import Any

from genomask.encoders.config import MosaicBertConfig


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """A recipe's settings of the encoder; the defaults are those of the configuration, MosaicBERT-base."""

    num_hidden_layers: int = MosaicBertConfig.num_hidden_layers
    hidden_size: int = MosaicBertConfig.hidden_size
    """Width of a token's vector; a multiple of num_attention_heads."""
    num_attention_heads: int = MosaicBertConfig.num_attention_heads
    intermediate_size: int = MosaicBertConfig.intermediate_size
    """Width inside the MLP; a GLU of two thirds the width has as many parameters as a dense MLP."""
    hidden_dropout_prob: float = MosaicBertConfig.hidden_dropout_prob
    """Dropout after the embedding, the attention output and the gate; attention itself has none."""
    positions: str = MosaicBertConfig.positions
    """'alibi' (symmetric), 'alibi-directed' (half of the heads look left, half right), 'rotary-directed' (the same, and
    each head knows how far it looks) or 'learned'."""
    stem_width: int = MosaicBertConfig.stem_width
    """Tokens that make up a token's first vector, itself in the middle: 1, as in BERT, or an odd number. Each place
    beside it has its own vectors: a convolution over one-hot tokens."""
    stem_fraction: float = MosaicBertConfig.stem_fraction
    """Fraction of that vector's channels that the neighbours add to; the others are the token's own."""
    mlp: str = MosaicBertConfig.mlp
    """'glu' (gated, MosaicBERT) or 'dense' (BERT)."""
    max_position_embeddings: int = MosaicBertConfig.max_position_embeddings
    """Longest sequence in tokens, for positions='learned' only."""
    attention_backend: str = MosaicBertConfig.attention_backend
    """'sdpa', 'flex', 'flash', or 'auto': the fastest that runs on the device."""
    low_precision_layernorm: bool = MosaicBertConfig.low_precision_layernorm
    """LayerNorm in the autocast type instead of float32."""
    unpadding: bool = MosaicBertConfig.unpadding
    """Tokens stay packed in the layers; off: padded rows and a mask, with PyTorch's attention. To measure the gain."""
    head_on_masked_only: bool = MosaicBertConfig.head_on_masked_only
    """Last layer and head compute only what the loss needs; off: everything, then select. To measure the gain."""

    def __post_init__(self) -> None:
        self.config(vocab_size=1)  # refuses a bad value here, where the recipe is read

    def config(self, vocab_size: int, pad_token_id: int = 0) -> MosaicBertConfig:
        """The model configuration for a vocabulary of `vocab_size` ids."""
        fields: dict[str, Any] = asdict(self)
        return MosaicBertConfig(vocab_size=vocab_size, pad_token_id=pad_token_id, **fields)
