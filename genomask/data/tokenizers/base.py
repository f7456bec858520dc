"""The interface of a DNA tokenizer: all that windows, sources, evaluation, few-shot and masking use of one.

To add a tokenizer, add one file to this folder: `codon.py` holds `CodonTokenizer`, a transformers tokenizer that is
also a DnaTokenizer. The file is named after the class, so `import genomask` registers it with AutoTokenizer, and the
recipe line `tokens.folder = "FOLDER"` pretrains with the tokenizer saved in a folder.

Letters: V ids of the vocabulary, T tokens of all packed sequences, B windows.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from genomask.data.packing import pack
from genomask.types import TokenBases, TokenSequences

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPECIAL_NAMES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
"""The transformers names of our special tokens, which are BERT's, in the same order."""
PAD, UNK, CLS, SEP, MASK = range(5)
"""Their ids, in every tokenizer that we make."""
LONGEST = 512
"""Most tokens that BERT and DNABERT take; `truncation=True` cuts to this by default."""

Whole = TypeVar("Whole", int, np.ndarray)


class DnaTokenizer:
    """Bases in, ids out. A base is a uint8 code: A0 C1 G2 T3, 4 for any other letter."""

    @property
    @abstractmethod
    def token_bases(self) -> TokenBases:
        """Which bases the ids cover, and which ids may be masked."""

    @abstractmethod
    def bases_for(self, n_tokens: Whole) -> Whole:
        """Bases of a window of `n_tokens` tokens: exact, or on average if tokens differ in length."""

    @abstractmethod
    def encode_bases(self, codes: np.ndarray) -> np.ndarray:
        """Base codes (bases,) to token ids (tokens,) int64, without special tokens."""

    @property
    def ends(self) -> tuple[list[int], list[int]]:
        """The ids before and after a sequence: [CLS], and [SEP]."""
        return [CLS], [SEP]

    @property
    def learned(self) -> str:
        """A hash of what was learned from data and the ids depend on; "" if nothing was learned."""
        return ""

    def encode_windows(self, windows: Sequence[np.ndarray], weights: np.ndarray) -> TokenSequences:
        """[CLS] tokens [SEP] of each of B windows of base codes; `weights` (B,) are their weights in the loss.

        Raises SettingsError unless there is one weight per window.
        """
        first, last = self.ends
        ids = [np.concatenate([first, self.encode_bases(codes), last]) for codes in windows]
        return pack(ids, weights)
