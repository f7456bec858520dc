"""NPMI of the words of a genome: bases in, counts and scores of every word out."""

from genomask.masking.npmi.segmentation import reverse_complemented
from genomask.masking.npmi.table import Definition, MinCount, NpmiTable, Strand, check_npmi_settings, rarity_warning

__all__ = [
    "Definition",
    "MinCount",
    "NpmiTable",
    "Strand",
    "check_npmi_settings",
    "rarity_warning",
    "reverse_complemented",
]
