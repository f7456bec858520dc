import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from genomask.data.tokenizers.kmer import KmerTokenizer

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        return runpy.run_path(str(BENCHMARKS / "mask_rates.py"))


class Alternately:
    """Masks six tokens in a row of every second sequence."""

    def select(self, input_ids, cu_seqlens, keys):
        spans = torch.zeros(len(keys), len(input_ids) // len(keys), dtype=torch.int32)
        spans[::2, 4:10] = 1
        return spans.flatten()


def test_fractions_are_means_over_sequences_with_their_standard_error(benchmark):
    tokens = KmerTokenizer(6).token_bases
    cell = benchmark["measure"](Alternately(), tokens, benchmark["even_bases"](tokens, 25, 4_000, salt=1))
    assert cell.n == 4_000
    assert cell.tokens_masked == pytest.approx(6 / 20 / 2)
    assert cell.tokens_masked_error == pytest.approx(6 / 20 / 2 / 4_000**0.5, rel=1e-3)
    assert cell.bases_hidden == pytest.approx(1 / 25 / 2)


def test_kept_cells_are_off_by_at_most_1_percent_or_3_in_windows_of_510_bases(benchmark):
    result = json.loads(benchmark["RESULT"].read_text())
    rate = result["setup"]["mask_rate"]
    cells = [row for row in result["cells"] if row["match"] == "tokens"]
    assert {row["strategy"] for row in cells} == set(benchmark["names"]())
    for row in cells:
        within = 0.03 if row["sequences"] == "windows" and row["bases"] == 510 else 0.01
        assert abs(row["tokens_masked"] / rate - 1) < within
        assert row["n"] >= 50_000
