"""What everyone may ask of a DNA tokenizer: windows, sources, evaluation, few-shot and masking know no more of one.

A tokenizer of another kind is one file of this folder: `codon.py` holds `CodonTokenizer`, a transformers tokenizer that
is a DnaTokenizer too. The file's name is the class's, so `import genomask` makes it known to AutoTokenizer, and the
recipe line `tokens.folder = "FOLDER"` pretrains with the tokenizer that was saved in a folder.

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
"""What transformers calls our special tokens, which are BERT's, in their order."""
PAD, UNK, CLS, SEP, MASK = range(5)
"""Their ids, in every tokenizer that we make."""
LONGEST = 512
"""Tokens that BERT and DNABERT take, and what `truncation=True` cuts to where nothing else was said."""

Whole = TypeVar("Whole", int, np.ndarray)


class DnaTokenizer:
    """Bases in, ids out. A base is a uint8 code: A0 C1 G2 T3, 4 for any other letter."""

    @property
    @abstractmethod
    def token_bases(self) -> TokenBases:
        """Which bases the ids cover, and what may be masked."""

    @abstractmethod
    def bases_for(self, n_tokens: Whole) -> Whole:
        """Bases of a window that makes so many tokens: exactly, or on average where tokens differ in length."""

    @abstractmethod
    def encode_bases(self, codes: np.ndarray) -> np.ndarray:
        """Base codes (bases,) to token ids (tokens,) int64, without special tokens."""

    @property
    def ends(self) -> tuple[list[int], list[int]]:
        """The ids between which a sequence stands: [CLS], and [SEP]."""
        return [CLS], [SEP]

    @property
    def learned(self) -> str:
        """A hash of what was learned from data and the ids depend on; "" where nothing was."""
        return ""

    def encode_windows(self, windows: Sequence[np.ndarray], weights: np.ndarray) -> TokenSequences:
        """[CLS] tokens [SEP] of each of B windows of base codes; `weights` (B,) are theirs in the loss.

        Raises SettingsError for another number of weights.
        """
        first, last = self.ends
        ids = [np.concatenate([first, self.encode_bases(codes), last]) for codes in windows]
        return pack(ids, weights)
