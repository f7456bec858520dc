"""Another's tokenizer of k-mers end to end, such as Nucleotide Transformer's, in; the same as a DnaTokenizer out.

The DnaTokenizer is for code that needs bases. A probe shows what any tokenizer cuts: words of one length k, of which it
has all 4**k, and the tokens that it puts before and after them.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from genomask.data.bases import letters_of
from genomask.data.tokenizers.base import DnaTokenizer, Whole
from genomask.data.tokenizers.bpe import LETTERS, uniform_bases
from genomask.data.tokenizers.kmer import MAX_K
from genomask.types import TokenBases

PROBED_WORDS = 50


@dataclass(frozen=True, eq=False)
class OwnKmers(DnaTokenizer):
    """k-mers end to end, with the ids that their own tokenizer gives them."""

    k: int
    kmer_ids: np.ndarray  # (4**k,) int64, in ACGT lexicographic order
    around: tuple[list[int], list[int]]
    mask_token_id: int
    unk_token_id: int
    vocab_size: int
    model_max_length: int

    @classmethod
    def of(cls, other: PreTrainedTokenizerBase) -> "OwnKmers | None":
        """None for a tokenizer that cuts the probe differently, or has no [MASK]."""
        vocabulary = other.get_vocab()
        ids = {word.upper(): row for word, row in vocabulary.items()} | vocabulary
        if other.mask_token_id is None:
            return None
        for k in (k for k in range(MAX_K, 0, -1) if 4**k < len(vocabulary)):
            words = ["".join(letters) for letters in itertools.product(LETTERS, repeat=k)]
            if not all(word in ids for word in words):
                continue
            probe = letters_of(uniform_bases(k * PROBED_WORDS))
            wanted = [ids[probe[at : at + k]] for at in range(0, len(probe), k)]
            found = list(other(probe)["input_ids"])
            before = next((at for at in range(len(found)) if found[at : at + PROBED_WORDS] == wanted), None)
            if before is None:
                return None
            around = found[:before], found[before + PROBED_WORDS :]
            unknown = other.mask_token_id if other.unk_token_id is None else other.unk_token_id
            size = max(vocabulary.values()) + 1
            known = np.array([ids[word] for word in words])
            return cls(k, known, around, other.mask_token_id, unknown, size, other.model_max_length)
        return None

    @property
    def ends(self) -> tuple[list[int], list[int]]:
        """The ids before and after a sequence."""
        return self.around

    def bases_for(self, n_tokens: Whole) -> Whole:
        """Bases of a window that makes exactly that many tokens."""
        return n_tokens * self.k

    def encode_bases(self, codes: np.ndarray) -> np.ndarray:
        """Base codes (..., bases) uint8 to token ids (..., tokens) int64, of whole k-mers."""
        count = codes.shape[-1] // self.k
        words = codes[..., : count * self.k].reshape(*codes.shape[:-1], count, self.k).astype(np.int64)
        value = words @ 4 ** np.arange(self.k)[::-1]
        return np.where((words > 3).any(-1), self.unk_token_id, self.kmer_ids[value % len(self.kmer_ids)])

    @cached_property
    def token_bases(self) -> TokenBases:
        """What masking needs to know of this vocabulary; its other words occur in no window."""
        letters = np.full((self.vocab_size, self.k), 4, dtype=np.uint8)
        letters[self.kmer_ids] = np.indices((4,) * self.k, dtype=np.uint8).reshape(self.k, -1).T
        maskable = torch.zeros(self.vocab_size, dtype=torch.bool)
        maskable[self.kmer_ids] = True
        n_bases = self.k * maskable.long()
        n_bases[[self.mask_token_id, self.unk_token_id]] = self.k
        return TokenBases(
            k=self.k,
            stride=self.k,
            mask_id=self.mask_token_id,
            maskable=maskable,
            n_bases=n_bases,
            letters=torch.from_numpy(letters),
            kmer_ids=torch.from_numpy(self.kmer_ids),
            word_start=torch.ones(self.vocab_size, dtype=torch.bool),
        )
