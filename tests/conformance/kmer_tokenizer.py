"""Testers of KmerTokenizer for transformers' common tests, whose English is turned into DNA first."""

import unittest
from unittest.mock import patch

from tests.test_tokenization_common import TokenizerTesterMixin

from genomask.data import KmerTokenizer


def as_dna(tokenizer, text, **kwargs):
    """A base for every letter, without spaces; special and added tokens stay, and so do k-mers between spaces."""

    def of(piece):
        if piece in tokenizer.added_tokens_encoder or all(word in tokenizer.get_vocab() for word in piece.split()):
            return piece
        return "".join(c if c in "ACGT" else "ACGT"[ord(c) % 4] for c in piece if c != " ")

    return "".join(map(of, tokenizer.tokens_trie.split(text))), kwargs


class KmerTests(TokenizerTesterMixin):
    """What the classes below share."""

    tokenizer_class = KmerTokenizer
    test_seq2seq = False
    stride: int

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        KmerTokenizer(k=3, stride=cls.stride).save_pretrained(cls.tmpdirname)
        dna = patch.object(KmerTokenizer, "prepare_for_tokenization", as_dna)
        dna.start()
        cls.addClassCleanup(dna.stop)


class OverlappingKmers(KmerTests, unittest.TestCase):
    stride = 1


class NeighbouringKmers(KmerTests, unittest.TestCase):
    stride = 3
