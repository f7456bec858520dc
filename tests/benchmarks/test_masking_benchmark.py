"""What benchmarks/masking.py times."""

from pathlib import Path
from types import SimpleNamespace

import torch

from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.masking import STRATEGIES


def test_every_dna_strategy_and_one_from_a_persons_own_file_are_timed(script, monkeypatch):
    bench, built = script("masking"), []

    def build(name, **_settings):
        built.append(name)
        return SimpleNamespace(select=lambda *_: None)

    monkeypatch.setattr(bench, "build_strategy", build)
    batch = torch.zeros(4, dtype=torch.int64), torch.tensor([0, 4]), torch.zeros(1, dtype=torch.int64)
    steps = bench.masking_steps(KmerTokenizer(3).token_bases, None, batch)
    own = {name for name, spec in STRATEGIES.items() if spec.units != "text"}
    assert set(steps) == own | {"my_masks.py:cpg", bench.ACCOUNTING, bench.TEXTBOOK}
    (file,) = (name for name in built if name.endswith(":cpg"))
    assert '@strategy("cpg"' in Path(file.removesuffix(":cpg")).read_text()
    row = bench.row("16 x 512", bench.OWN, {step: [1e-3] for step in steps}, 8192, None)
    assert (row["goal"], row["reached"]) == (10, False)
