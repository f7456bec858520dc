"""MosaicBertConfig: everything that defines the encoder, saved as config.json beside its weights."""

from typing import Any

from transformers import PretrainedConfig

from genomask.errors import SettingsError

POSITIONS = ("alibi", "alibi-directed", "learned")
MLPS = ("glu", "dense")
BACKEND_NAMES = ("auto", "sdpa", "flex", "flash")
ROWS_MULTIPLE = 64
MOST = {
    "vocab_size": 2**24,
    "hidden_size": 2**16,
    "num_hidden_layers": 2**10,
    "num_attention_heads": 2**10,
    "intermediate_size": 2**18,
    "max_position_embeddings": 2**24,
}
"""Larger sizes are slips of the keyboard, or a config.json that would fill the memory of whoever opens it."""


class MosaicBertConfig(PretrainedConfig):
    """Configuration of a MosaicBERT encoder; `vocab_size` counts true ids, the embedding has `padded_vocab_size` rows.

    positions: 'alibi' (symmetric), 'alibi-directed' (odd heads see only keys to the left of the query, even heads only
    keys to the right, the first head being number 1), 'learned' (BERT's, at most max_position_embeddings tokens).
    mlp: 'glu' or 'dense'. vocab_rows: rows of the embedding where they came with a checkpoint; None: vocab_size rounded
    up to a multiple of 64. Raises SettingsError for a value out of range.
    """

    model_type = "genomask-mosaicbert"

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_dropout_prob: float | int = 0.1
    layer_norm_eps: float = 1e-12
    type_vocab_size: int = 2
    positions: str = "alibi"
    mlp: str = "glu"
    max_position_embeddings: int = 512
    attention_backend: str = "auto"
    low_precision_layernorm: bool = True
    unpadding: bool = True
    head_on_masked_only: bool = True
    pad_token_id: int | None = 0
    initializer_range: float = 0.02
    vocab_rows: int | None = None
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        for name, most in MOST.items():
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise SettingsError(f"encoder: {name} must be a whole number of at least 1, got {value!r}")
            if value > most:
                raise SettingsError(f"encoder: {name} must be at most {most:,}, got {min(value, 10**30):,}")
        if self.hidden_size % self.num_attention_heads:
            raise SettingsError(
                f"encoder: hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}; choose one that is"
            )
        dropout = self.hidden_dropout_prob
        if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
            raise SettingsError(f"encoder: hidden_dropout_prob must be a number in [0, 1), got {dropout!r}")
        for name, known in (("positions", POSITIONS), ("mlp", MLPS), ("attention_backend", BACKEND_NAMES)):
            if getattr(self, name) not in known:
                raise SettingsError(f"encoder: {name} = {getattr(self, name)!r} is not one of {', '.join(known)}")

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding; those beyond vocab_size are never predicted."""
        return self.vocab_rows or -(-self.vocab_size // ROWS_MULTIPLE) * ROWS_MULTIPLE
