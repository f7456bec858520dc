"""`genomask tokenizer train`: FASTA files in; a folder with the words learned from them out."""

import glob
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

from genomask.data.genome import Genome
from genomask.data.tokenizers.bpe import BpeTokenizer
from genomask.errors import SettingsError
from genomask.files.atomic import atomic_folder, require_folder, sweep

log = logging.getLogger(__name__)


def train_tokenizer(genome: Sequence[Path], vocab_size: int, out: Path, *, ambiguous: str, seed: int) -> str:
    """Learn a vocabulary and write `out` whole or not at all; returns a summary and the options that pretrain with it.

    Raises UserError if `out` exists, and where BpeTokenizer.learn does.
    """
    require_folder(out)
    if out.exists():
        raise SettingsError(f"{out} already exists; give another --out, or move it away.")
    tokenizer = BpeTokenizer.learn(Genome.open(genome, ambiguous=ambiguous), vocab_size, seed)
    if len(tokenizer) < vocab_size:
        log.warning(
            "the genome yields only %s of %s tokens: no further word occurs twice",
            f"{len(tokenizer):,}",
            f"{vocab_size:,}",
        )
    sweep(out.parent, f"{glob.escape(out.name)}/")
    with atomic_folder(out) as folder:
        tokenizer.save_pretrained(folder)
    longest, mean = tokenizer.token_bases.letters.shape[1], tokenizer.bases_in_100_tokens / 100
    return (
        f"{out}: {len(tokenizer):,} tokens of 1 to {longest} bases, {mean:.2f} on average\n"
        f"pretrain with it: --set {shlex.quote(f'tokens.folder={out}')} --set encoder.positions=alibi-directed"
    )
