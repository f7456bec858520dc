"""The tokenizers of both worlds under one name: k-mers for DNA."""

from genomask.data.kmer import KmerTokenizer, base_codes

__all__ = ["KmerTokenizer", "base_codes"]
