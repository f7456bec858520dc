"""The [tokens] table of a recipe, and the [documents] table of a text recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from genomask.data.tokenizers.kmer import check_kmers
from genomask.data.tokenizers.wordpiece import SMALLEST_VOCABULARY
from genomask.settings.ranges import MANY
from genomask.settings.table import Bounds, Count, Table

LARGEST_VOCABULARY = 2**20


@dataclass(frozen=True, kw_only=True)
class DnaTokenSettings(Table, name="tokens"):
    """DNA as k-mers, or as tokens of a saved tokenizer."""

    k: int = 6
    """Bases in a token, 1 to 8."""
    stride: int = 1
    """Bases between the starts of two tokens: 1 (overlapping) or k."""
    folder: str = ""
    """A tokenizer that `genomask tokenizer train` wrote, used instead of k-mers; k and stride then have no effect."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kmers(self.k, self.stride, "tokens.")

    @property
    def words(self) -> str:
        """What the tokens are, in words."""
        return f"tokens of {Path(self.folder).name}" if self.folder else f"{self.k}-mers, stride {self.stride}"

    @property
    def overlapping(self) -> bool:
        """Do neighbouring tokens share bases?"""
        return self.stride < self.k and not self.folder


@dataclass(frozen=True, kw_only=True)
class WordPieceSettings(Table, name="tokens"):
    """Text as word pieces, lower-cased, with BERT's special tokens."""

    vocabulary: str = ""
    """A vocab.txt, one piece a line, like BERT's; if empty, one is trained on the corpus."""
    vocab_size: Annotated[int, Bounds(least=SMALLEST_VOCABULARY, most=LARGEST_VOCABULARY)] = 30_522
    """Pieces to learn where no vocabulary is given."""


@dataclass(frozen=True, kw_only=True)
class ReadingSettings(Table, name="documents"):
    """What counts as a document in a shard."""

    column: str = "text"
    """The field or column that holds the text."""
    bad: Literal["error", "skip"] = "error"
    """For a row that is no document, or a shard cut short: "error" stops; "skip" names and counts them, and goes on."""


@dataclass(frozen=True, kw_only=True)
class DocumentSettings(ReadingSettings, name="documents"):
    """How documents become sequences."""

    max_tokens: Annotated[int, Bounds(least=8, most=MANY)] = 128
    """Longest sequence, [CLS] and [SEP] included."""
    overflow: Literal["truncate", "split", "pack"] = "truncate"
    """What becomes of a document's text beyond max_tokens: "truncate" drops it, "split" makes further sequences
    of it, "pack" also joins short ones, each into the fullest sequence that has room."""
    validation_documents: Count = 2_000
    """Sequences held out for evaluation, as whole documents: at most a tenth of a corpus of files; for a stream, the
    first ones, however few it has, or those of its split `validation`."""
