"""The short form of benchmarks/embed.py: both sides compute the same vectors."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from genomask.commands.embed import TOKENS
from genomask.data.sequences import SequenceFile
from genomask.inference.forward import forward
from genomask.inference.models import load

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("embed")


def test_the_forward_pass_alone_computes_the_vectors_that_the_command_writes(benchmark, tmp_path):
    benchmark.write_model(tmp_path / "model", ())
    benchmark.write_sequences(tmp_path / "s.fa", 5, 40)
    benchmark.build_sides(tmp_path / "model", tmp_path / "s.fa", tmp_path / "v.npy")[TOKENS](0)
    written = np.load(tmp_path / "v.npy")
    loaded = load(tmp_path / "model")
    [batch] = benchmark.packed_batches(loaded, SequenceFile(path=tmp_path / "s.fa"))
    with torch.inference_mode():
        vectors = forward(loaded.model, batch).numpy()
    edges = [*batch.cu_seqlens[:-1].tolist(), *(batch.cu_seqlens[1:] - 1).tolist()]  # [CLS] and [SEP]
    np.testing.assert_allclose(written, np.delete(vectors, edges, axis=0), atol=1e-5)


def test_the_speed_ratio_leaves_out_the_time_of_reading_the_model(benchmark):
    took = {"forward pass": (2.0, 3.0), "reading the model": (1.0, 1.0), "mean": (3.0, 4.0), TOKENS: (5.0, 5.0)}
    rows = benchmark.summary({side: [benchmark.Turn(*turn)] * 3 for side, turn in took.items()}, {})
    assert [(row["pooling"], row["wall_ratio"], row["cpu_ratio"]) for row in rows] == [
        ("mean", 1, 1),
        (TOKENS, 0.5, 0.75),
    ]


@pytest.mark.parametrize(
    ("spread", "said"), [(0.0, "80.0% of .*wall clock; goal 90%: not"), (0.2, "95.0% of .*CPU seconds")]
)
def test_the_verdict_goes_by_cpu_seconds_where_the_clock_was_disturbed(benchmark, spread, said):
    row = {"encoder": "2 x 128", "bases": 70, "pooling": "mean", "wall_ratio": 0.8, "cpu_ratio": 0.95}
    [sentence] = benchmark.verdict([row | {"wall_spread": spread}])
    assert re.search(said, sentence)
