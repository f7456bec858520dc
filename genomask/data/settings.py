"""The [tokens] table of a recipe, and the [documents] table of a text recipe."""

from dataclasses import dataclass

from genomask.data.tokenizers.kmer import check_kmers
from genomask.data.tokenizers.wordpiece import SMALLEST_VOCABULARY
from genomask.settings.ranges import require_one_of, require_whole

LARGEST_VOCABULARY = 2**20


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

    def __post_init__(self) -> None:
        require_whole("tokens.vocab_size", self.vocab_size, SMALLEST_VOCABULARY, LARGEST_VOCABULARY)


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
        require_whole("documents.max_tokens", self.max_tokens, 8)
        require_one_of("documents.overflow", self.overflow, ("truncate", "split"))
        require_whole("documents.validation_documents", self.validation_documents, 1)
