"""MosaicBertConfig: everything that defines the encoder, saved as config.json beside its weights."""

import math
from collections.abc import Callable
from typing import Any

from transformers import PretrainedConfig

from genomask.encoders.positions import POSITIONS, PositionEncoding
from genomask.errors import SettingsError, shown

MLPS = ("glu", "dense")
CLASSIFIER_POOLINGS = ("cls", "mean")
BACKEND_NAMES = ("auto", "sdpa", "flex", "flash")
ROWS_MULTIPLE = 64
MOST = {
    "vocab_size": 2**24,
    "hidden_size": 2**16,
    "num_hidden_layers": 2**10,
    "num_attention_heads": 2**10,
    "intermediate_size": 2**18,
    "max_position_embeddings": 2**24,
    "type_vocab_size": 2**10,
    "stem_width": 2**10 - 1,
}
"""Larger sizes are typing errors, or a config.json that would fill the memory of whoever opens it."""


class MosaicBertConfig(PretrainedConfig):
    """Configuration of a MosaicBERT encoder; `vocab_size` counts true ids, the embedding has `padded_vocab_size` rows.

    positions: 'alibi' (symmetric), 'alibi-directed' (heads 0, 2 ... see only keys to the left of the query, heads 1, 3
    ... only keys to the right), 'rotary-directed' (the same, with queries and keys rotated by their place), 'learned'
    (BERT's, at most max_position_embeddings tokens).
    stem_width: tokens that make up a token's first vector, itself in the middle: 1, as in BERT, or an odd number.
    stem_fraction: fraction, above 0 to 1, of that vector's channels that neighbours add to; the rest are the token's.
    mlp: 'glu' or 'dense'. vocab_rows: rows of the embedding, if set by a checkpoint; None: vocab_size rounded up to a
    multiple of 64. sparse_prediction: padded input with labels gives the loss alone, and the head is computed only for
    tokens with a label (named as in ModernBERT's config). classifier_pooling: what a sequence classifier reads, 'cls'
    (the first token, through BERT's pooler) or 'mean' (of all tokens). Raises SettingsError for a value out of range.
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
    stem_width: int = 1
    stem_fraction: float | int = 1.0
    mlp: str = "glu"
    max_position_embeddings: int = 512
    attention_backend: str = "auto"
    low_precision_layernorm: bool = True
    unpadding: bool = True
    head_on_masked_only: bool = True
    sparse_prediction: bool = False
    pad_token_id: int | None = 0
    initializer_range: float = 0.02
    vocab_rows: int | None = None
    classifier_pooling: str = "cls"
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        for name, most in MOST.items():
            self._refuse(name, lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1")
            if getattr(self, name) > most:
                raise SettingsError(
                    f"encoder: {name} must be at most {most:,}, got {min(getattr(self, name), 10**30):,}"
                )
        self._refuse("stem_width", lambda width: width % 2 == 1, "odd: as many tokens to the left as to the right")
        self._refuse("stem_fraction", lambda part: _is_number(part) and 0 < part <= 1, "a number above 0, at most 1")
        self._refuse("vocab_rows", lambda rows: rows is None or (_is_whole(rows) and rows >= self.vocab_size),
                     f"None or a whole number of at least vocab_size ({self.vocab_size})")  # fmt: skip
        self._refuse("pad_token_id", lambda pad: pad is None or (_is_whole(pad) and 0 <= pad < self.vocab_size),
                     f"None or an id below vocab_size ({self.vocab_size})")  # fmt: skip
        if self.hidden_size % self.num_attention_heads:
            raise SettingsError(
                f"encoder: hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}; choose one that is"
            )
        self._refuse(
            "hidden_dropout_prob", lambda fraction: _is_number(fraction) and fraction < 1, "a number in [0, 1)"
        )
        for name in ("layer_norm_eps", "initializer_range"):
            self._refuse(name, _is_number, "a number of at least 0")
        for name in ("low_precision_layernorm", "unpadding", "head_on_masked_only", "sparse_prediction"):
            self._refuse(name, lambda value: isinstance(value, bool), "true or false")
        tables = {"positions": POSITIONS, "mlp": MLPS, "attention_backend": BACKEND_NAMES,
                  "classifier_pooling": CLASSIFIER_POOLINGS}  # fmt: skip
        for name, known in tables.items():
            if getattr(self, name) not in known:
                raise SettingsError(f"encoder: {name} = {getattr(self, name)!r} is not one of {', '.join(known)}")
        head, multiple = self.hidden_size // self.num_attention_heads, self.position_encoding.head_multiple
        if head % multiple:
            raise SettingsError(
                f"encoder: positions = {self.positions!r} needs heads whose width is a multiple of {multiple}, not "
                f"{head}: set hidden_size to a multiple of {multiple * self.num_attention_heads}"
            )

    def _refuse(self, name: str, fits: Callable[[Any], bool], wanted: str) -> None:
        if not fits(getattr(self, name)):
            raise SettingsError(f"encoder: {name} must be {wanted}, got {shown(repr(getattr(self, name)))}")

    @property
    def position_encoding(self) -> PositionEncoding:
        """The encoding that `positions` names."""
        return POSITIONS[self.positions]

    @property
    def stem_size(self) -> int:
        """Channels that the stem adds to, the first ones of a token's vector."""
        return max(1, round(self.stem_fraction * self.hidden_size))

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding; those beyond vocab_size are never predicted."""
        return self.vocab_rows or -(-self.vocab_size // ROWS_MULTIPLE) * ROWS_MULTIPLE


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf
