"""A small comparison as the other rooms would hand it over: two seeds of noise-free curves, summaries and a verdict."""

import numpy as np
import pandas as pd
import pytest

ACCURACY = {
    ("random-span", "probe"): 0.93,
    ("random-span", "finetune"): 0.90,
    ("genemask", "probe"): 0.96,
    ("genemask", "finetune"): 0.92,
}
FLOORS = {"kmer-logreg": 0.82, "random-init/probe": 0.86, "random-init/finetune": 0.75}


def metrics(final_loss: float, final_bits: float) -> pd.DataFrame:
    """Rows of metrics.jsonl: a training row every 10 steps, an evaluation row every 100."""
    rows = []
    for step in range(10, 601, 10):
        left = np.exp(-step / 120)
        rows.append({"step": step, "loss_nats_per_masked_token": final_loss + 2.4 * left})
        if step % 100 == 0:
            evaluated = {"eval_loss_nats_per_masked_token": final_loss + 2.4 * left + 0.02}
            rows.append({"step": step, "eval_bits_per_hidden_base": final_bits + 0.2 * left} | evaluated)
    return pd.DataFrame(rows)


@pytest.fixture
def runs() -> dict[str, pd.DataFrame]:
    return {
        f"{strategy}/seed {seed}": metrics(loss + seed / 50, bits + seed / 500)
        for strategy, loss, bits in (("random-span", 3.0, 1.93), ("genemask", 3.3, 1.90))
        for seed in range(2)
    }


@pytest.fixture
def baselines(runs) -> dict[str, dict[str, float | None]]:
    shared = {"ln_vocabulary_nats": 5.545, "unigram_entropy_nats": 5.41, "order_0_bits": 1.991, "order_5_bits": 1.958}
    return {run: shared | {"flank_floor_nats": 2.2 if "random" in run else 2.4} for run in runs}


@pytest.fixture
def summary() -> pd.DataFrame:
    """Rows of summary.csv: each arm measured its own floors, as `fewshot` does for every model."""
    rows = []
    for strategy in ("random-span", "genemask"):
        methods = {method: accuracy for (name, method), accuracy in ACCURACY.items() if name == strategy} | FLOORS
        for seed in range(3):
            for method, accuracy in methods.items():
                for shot in (10, 50):
                    seen = accuracy + shot / 2500 + (0 if method == "kmer-logreg" else seed / 100)
                    cell = {"strategy": strategy, "pretraining_seed": seed, "task": "kinds", "shot": shot}
                    rows.append(cell | {"method": method, "accuracy": seen, "accuracy_half_width": 0.02})
    return pd.DataFrame(rows)


@pytest.fixture
def verdict() -> pd.DataFrame:
    columns = ["strategy", "difference", "half_width", "p", "n", "note", "p_holm"]
    nan = float("nan")
    return pd.DataFrame(
        [
            ("genemask", 0.013, 0.009, 0.006, 3, "", 0.012),
            ("contiguous", -0.021, 0.012, 0.0001, 3, "", 0.0002),
            ("uniform", -0.06, nan, nan, 2, "not tested: 2 seeds", nan),
        ],
        columns=columns,
    )


@pytest.fixture
def seed_differences() -> dict[str, list[float]]:
    return {"genemask": [0.010, 0.013, 0.016], "contiguous": [-0.02, -0.027, -0.016], "uniform": [-0.05, -0.07]}


@pytest.fixture
def arms() -> pd.DataFrame:
    columns = ["accuracy", "control_accuracy", "tokens_masked_fraction", "bases_hidden_fraction"]
    rows = [
        ("genemask", 0.953, 0.94, 0.15, 0.0664, 1.9012),
        ("random-span", 0.94, 0.94, 0.15, 0.0661, 1.931),
    ]
    return pd.DataFrame(rows, columns=["strategy", *columns, "eval_bits_per_hidden_base"])
