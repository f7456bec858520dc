import json
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """Imports a script of benchmarks/ by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def a_run(arm, seed, *points, budget=8.0):
    keys = ("cpu_s", "tokens", "bits")
    curve = [dict(zip(keys, point, strict=True)) | {"wall_s": point[0]} for point in points]
    return {"arm": arm, "seed": seed, "budget": budget, "curve": curve}


def test_a_factor_is_of_throughput_times_of_tokens(bench):
    table = bench("speedrun_table")
    peer = a_run(table.TARGET, 0, (4.0, 100, 1.99), (8.0, 200, 1.95))
    ours = a_run("ours", 0, (1.0, 50, 1.97), (2.0, 100, 1.94), (4.0, 200, 1.96))
    rows = {row["side"]: row for row in table.summary([peer, ours])}
    assert rows["ours"]["bits_at_end"] == 1.96
    of_ours = [rows["ours"][name] for name in ("times_sooner", "from_throughput", "from_tokens", "cpu_s_to_target")]
    assert of_ours == [4.0, 2.0, 2.0, 2.0]
    assert rows[table.TARGET]["times_sooner"] == 1.0


def test_who_does_not_get_there_has_no_factor_and_no_sentence(bench):
    table = bench("speedrun_table")
    peer, slow = a_run(table.TARGET, 0, (8.0, 200, 1.95)), a_run("slow", 0, (8.0, 200, 1.96))
    row = table.summary([peer, slow])[1]
    assert row["reached_by"] == 0
    assert "times_sooner" not in row
    assert [line.startswith("the target") for line in table.sentences([peer, slow])] == [True]


def test_each_seed_has_its_own_target_and_a_seed_without_one_does_not_count(bench):
    table = bench("speedrun_table")
    runs = [a_run(table.TARGET, seed, (8.0, 200, bits)) for seed, bits in ((0, 1.95), (1, 1.99))]
    runs += [a_run("ours", 0, (1.0, 9, 1.95)), a_run("ours", 1, (4.0, 9, 1.98)), a_run("ours", 2, (8.0, 9, 1.0))]
    row = table.summary(runs)[1]
    assert (row["seeds"], row["reached_by"], row["times_sooner"]) == (2, 2, 5.0)  # the median of 8 and 2


def test_three_seeds_are_tested_against_genome_tiny_on_the_log_of_their_seconds(bench):
    table = bench("speedrun_table")
    runs = [a_run(table.TARGET, seed, (8.0, 200, 1.95)) for seed in range(3)]
    runs += [a_run("genome-tiny", seed, (4.0 + seed, 9, 1.95)) for seed in range(3)]
    runs += [a_run("ours", seed, (2.0 + 0.4 * seed, 9, 1.95)) for seed in range(3)]
    p = table.against_tiny(runs, "ours")
    assert 0 < p < 0.01
    assert table.against_tiny([run for run in runs if run["seed"] < 2], "ours") is None
    assert f"one-sided p = {p:.2g}" in table.sentences(runs)[-1]


def test_padded_peers_have_the_loss_and_the_logits_of_the_packed_tokens(bench):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForMaskedLM(BertConfig(vocab_size=20, **sizes)).eval()
    ids, at = torch.arange(1, 8), torch.tensor([1, 5])
    labels = torch.full((7,), -100).scatter(0, at, torch.tensor([11, 12]))
    packed = {"input_ids": ids, "cu_seqlens": torch.tensor([0, 3, 7], dtype=torch.int32), "max_seqlen": 4}
    peer = bench("peers").Padded(model)
    logits = peer(**packed, masked_index=at).logits
    alone = torch.stack([model(ids[None, :3]).logits[0, 1], model(ids[None, 3:]).logits[0, 2]])
    assert torch.allclose(logits, alone, atol=1e-5)
    loss = peer(**packed, masked_index=at, labels=labels, loss_weights=torch.ones(2)).loss
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(alone, labels[at], reduction="sum"), atol=1e-5)


@pytest.fixture
def small(bench, monkeypatch, tmp_path):
    """The script with arms of toy size and two validations, on 40,000 bases."""
    script, lap = bench("speedrun"), bench("speedrun_lap")
    toy = ("encoder.hidden_size=16", "encoder.intermediate_size=16", "training.sequences_per_step=2", "tokens.k=3")
    toy += ("windows.validation_windows=2", "training.precision=fp32", "masking.match=none")
    arms = [script.Arm(arm.name, arm.recipe, (*arm.changes, *toy), arm.peer) for arm in script.ARMS["published"][::2]]
    monkeypatch.setitem(script.ARMS, "toy", arms)
    monkeypatch.setattr(lap, "MARKS", 2)
    letters = torch.randint(4, (40_000,), generator=torch.Generator().manual_seed(0))
    genome = tmp_path / "genome.fa"
    genome.write_text(">a\n" + "".join("ACGT"[n] for n in letters.tolist()) + "\n")
    return script, genome, tmp_path / "result.json"


def test_arms_race_and_what_is_finished_is_not_run_again(small, monkeypatch, tmp_path):
    script, genome, out = small
    script.main([genome], budget=0.02, seeds=1, arms="toy", out=out, picture=tmp_path / "curves.svg")
    first = json.loads(out.read_text())
    assert [run["arm"] for run in first["runs"]] == [arm.name for arm in script.ARMS["toy"]]
    for run in first["runs"]:
        assert [row["cpu_s"] >= mark for row, mark in zip(run["curve"], (0.0125, 0.02), strict=True)] == [True, True]
        assert all(1.5 < row["bits"] < 2.5 and row["tokens"] > 0 for row in run["curve"])
    assert (tmp_path / "curves.svg").stat().st_size > 0
    monkeypatch.setattr(script, "Lap", None)  # nothing may be built
    script.main([genome], budget=0.02, seeds=1, arms="toy", out=out, picture=None)
    assert json.loads(out.read_text())["runs"] == first["runs"]
    with pytest.raises(SystemExit, match="another setup"):
        script.main([genome], budget=0.03, seeds=1, arms="toy", out=out, picture=None)


def test_every_arm_is_a_recipe_that_can_be_read(bench):
    arms = {arm for of_race in bench("speedrun_arms").ARMS.values() for arm in of_race}
    recipes = [arm.settings(seed=1) for arm in arms]
    assert {recipe.training.seed for recipe in recipes} == {1}
    assert len({(recipe.windows.validation_windows, recipe.tokens.k) for recipe in recipes}) == 1
