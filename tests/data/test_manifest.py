import hashlib

from in_memory import random_sequence

from genomask.data import Genome
from genomask.data.manifest import Manifest, WindowFacts
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import GenomeWindows, WindowSettings


def test_every_letter_is_counted_once_and_files_have_their_digests(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGTNNacgtRYn\n>b\nGGGC\n")
    manifest = Manifest.of(Genome.open(path, cache=tmp_path, ambiguous="n"))
    assert (manifest.records, manifest.bases) == (2, 17)
    assert (manifest.acgt, manifest.n, manifest.other) == (12, 3, 2)
    assert (manifest.soft_masked, manifest.runs, manifest.longest_run) == (5, 3, 4)
    assert manifest.gc_fraction == 8 / 12
    assert manifest.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest.files[0].size == path.stat().st_size


def test_windows_divide_the_genome_into_training_validation_and_hold_out(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text("".join(f">{name}\n{random_sequence(8_000, seed)}\n" for seed, name in enumerate("ab")))
    genome = Genome.open(path, cache=tmp_path)
    settings = WindowSettings(max_tokens=60, validation_windows=3, holdout=("a:1-1,000",))
    facts = WindowFacts.of(genome, GenomeWindows(genome, settings, KmerTokenizer(k=3), seed=0))
    assert facts.left_out == 1_000
    assert (facts.validation_windows, facts.validation_bases, facts.longest) == (3, 510, 62)
    assert facts.training == 16_000 - 1_000 - 3 * 510
    assert facts.training_intervals >= 2
