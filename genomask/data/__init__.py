"""Raw genomes, text and labelled tasks in; windows, tokens and packed sequences out.

Importing this registers KmerTokenizer with transformers' AutoTokenizer.
"""

from genomask.data.genome import Genome
from genomask.data.tokenizers.kmer import KmerTokenizer

__all__ = ["Genome", "KmerTokenizer"]
