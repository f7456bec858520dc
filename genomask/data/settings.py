"""The [tokens] table of a recipe, and the [documents] table of a text recipe."""

from dataclasses import dataclass
from pathlib import Path

from genomask.data.tokenizers.kmer import check_kmers
from genomask.data.tokenizers.wordpiece import SMALLEST_VOCABULARY
from genomask.settings.ranges import require_one_of, require_whole

LARGEST_VOCABULARY = 2**20


@dataclass(frozen=True, kw_only=True)
class DnaTokenSettings:
    """DNA as k-mers, or as the tokens of a folder."""

    k: int = 6
    """Bases in a token, 1 to 8."""
    stride: int = 1
    """Bases between the starts of two tokens: 1 (overlapping) or k."""
    folder: str = ""
    """A tokenizer that `genomask tokenizer train` wrote, taken instead of k-mers; k and stride then mean nothing."""

    def __post_init__(self) -> None:
        check_kmers(self.k, self.stride, "tokens.")

    @property
    def words(self) -> str:
        """What the tokens are, for a person."""
        return f"tokens of {Path(self.folder).name}" if self.folder else f"{self.k}-mers, stride {self.stride}"

    @property
    def overlapping(self) -> bool:
        """Do neighbouring tokens share bases?"""
        return self.stride < self.k and not self.folder


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
