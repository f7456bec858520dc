"""The [tokens] table of a recipe, and the [documents] table of a text recipe."""

from dataclasses import dataclass

from genomask.data.kmer import check_kmers
from genomask.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class KmerSettings:
    """DNA as k-mers."""

    k: int = 6
    """Bases in a token, 1 to 8."""
    stride: int = 1
    """Bases between the starts of two tokens: 1 (overlapping) or k."""

    def __post_init__(self) -> None:
        check_kmers(self.k, self.stride, "tokens.")


@dataclass(frozen=True, kw_only=True)
class WordPieceSettings:
    """Text as word pieces, lower-cased, with BERT's special tokens."""

    vocabulary: str = ""
    """A vocab.txt, one piece a line, as BERT's; where empty, one is trained on the corpus."""
    vocab_size: int = 30_522
    """Pieces to learn where no vocabulary is given."""


@dataclass(frozen=True, kw_only=True)
class DocumentSettings:
    """How documents become sequences."""

    max_tokens: int = 128
    """Longest sequence, [CLS] and [SEP] included."""
    overflow: str = "truncate"
    """What becomes of a document's text beyond max_tokens: "truncate" drops it, "split" makes it further sequences."""
    validation_documents: int = 2_000
    """Sequences held out for evaluation, whole documents, at most a tenth of the corpus."""

    def __post_init__(self) -> None:
        if self.max_tokens < 8:
            raise SettingsError(f"documents.max_tokens must be at least 8, got {self.max_tokens}")
        if self.overflow not in ("truncate", "split"):
            raise SettingsError(f"documents.overflow must be 'truncate' or 'split', got {self.overflow!r}")
        if self.validation_documents < 1:
            raise SettingsError(f"documents.validation_documents must be at least 1, got {self.validation_documents}")
