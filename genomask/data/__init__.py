"""Raw genomes, text and labelled tasks in; windows, tokens and packed sequences out.

Importing this registers our tokenizers with transformers' AutoTokenizer.
"""

from genomask.data.genome import Genome
from genomask.data.tokenizers.bpe import BpeTokenizer
from genomask.data.tokenizers.kmer import KmerTokenizer

__all__ = ["BpeTokenizer", "Genome", "KmerTokenizer"]
