"""The tokenizers of both worlds under one name: k-mers for DNA, word pieces for English."""

from genomask.data.kmer import KmerTokenizer, base_codes
from genomask.data.wordpiece import token_bases_of, train_wordpiece, wordpiece_tokenizer

__all__ = ["KmerTokenizer", "base_codes", "token_bases_of", "train_wordpiece", "wordpiece_tokenizer"]
