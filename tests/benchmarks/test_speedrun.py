import json
import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import ttest_rel
from transformers import BertConfig, BertForMaskedLM

from genomask.errors import SettingsError


def a_run(arm, seed, *points, budget=8.0):
    keys = ("cpu_s", "tokens", "score")
    curve = [dict(zip(keys, point, strict=True)) | {"wall_s": point[0]} for point in points]
    return {"arm": arm, "seed": seed, "budget": budget, "curve": curve}


@pytest.fixture
def table(script):
    return script("speedrun_table")


@pytest.fixture
def race(script):
    return script("speedrun_arms").RACES["published"]


def test_the_factor_is_that_of_throughput_times_that_of_tokens(table, race):
    peer = a_run(race.target.name, 0, (4.0, 100, 1.99), (8.0, 200, 1.95))
    ours = a_run("ours", 0, (1.0, 50, 1.97), (2.0, 100, 1.94), (4.0, 200, 1.96))
    rows = {row["side"]: row for row in table.summary([peer, ours], race)}
    assert rows["ours"]["bits_at_end"] == "1.9600"
    of_ours = [rows["ours"][name] for name in ("times_sooner", "from_throughput", "from_tokens", "cpu_s_to_target")]
    assert of_ours == [4.0, 2.0, 2.0, 2.0]
    assert rows[race.target.name]["times_sooner"] == 1.0


def test_an_arm_that_misses_the_target_has_no_factor_and_no_sentence(table, race):
    peer, slow = a_run(race.target.name, 0, (8.0, 200, 1.95)), a_run("slow", 0, (8.0, 200, 1.96))
    row = table.summary([peer, slow], race)[1]
    assert row["reached_by"] == 0
    assert "times_sooner" not in row
    assert [line.startswith("the target") for line in table.sentences([peer, slow], race)] == [True]


def test_each_seed_has_its_own_target_and_a_seed_without_one_does_not_count(table, race):
    runs = [a_run(race.target.name, seed, (8.0, 200, bits)) for seed, bits in ((0, 1.95), (1, 1.99))]
    runs += [a_run("ours", 0, (1.0, 9, 1.95)), a_run("ours", 1, (4.0, 9, 1.98)), a_run("ours", 2, (8.0, 9, 1.0))]
    row = table.summary(runs, race)[1]
    assert (row["seeds"], row["reached_by"], row["times_sooner"]) == (2, 2, 5.0)  # the median of 8 and 2


def test_three_seeds_are_tested_on_how_soon_they_reach_the_end_of_the_record_so_far(table, race):
    before = f"times_sooner_at_the_end_of_{race.before.name}"
    runs = [a_run(race.target.name, seed, (8.0, 200, 1.95)) for seed in range(3)]
    runs += [a_run("genome-tiny", seed, (2.0, 9, 1.95), (8.0, 90, 1.9)) for seed in range(3)]
    runs += [a_run("ours", seed, (1.0, 9, 1.96), (2.0 + 0.4 * seed, 9, 1.9)) for seed in range(3)]
    runs += [a_run("once", seed, (4.0, 9, 1.9 if seed else 1.91)) for seed in range(3)]
    p = table.against_before(runs, "ours", race)
    assert 0 < p < 0.01
    rows = {row["side"]: row for row in table.summary(runs, race)}
    assert rows["ours"][before] == pytest.approx(8.0 / 2.4)
    assert rows["genome-tiny"][before] == 1.0
    assert before not in rows["once"]
    further = replace(race, further=(replace(race.target, name="ours"),))
    assert table.summary(runs, further)[1]["times_sooner_at_the_end_of_ours"] == pytest.approx(2.4 / 8.0)
    assert table.against_before(runs, "once", race) is None
    assert table.against_before([run for run in runs if run["seed"] < 2], "ours", race) is None
    assert f"sooner than genome-tiny at its end: one-sided p = {p:.2g}" in "".join(table.sentences(runs, race))


def test_an_arm_that_ends_lower_in_the_same_seconds_is_tested_too(table, race):
    names = (race.target.name, "genome-tiny", "genome-fast")
    runs = [a_run(name, seed, (8.0, 90, 1.9 - 0.01 * at - 0.001 * seed * at)) for at, name in enumerate(names)
            for seed in range(3)]  # fmt: skip
    p = ttest_rel([1.88, 1.878, 1.876], [1.89, 1.889, 1.888], alternative="less").pvalue
    last = table.sentences(runs, race)[-1]
    assert last == f"genome-fast ends +0.0110 bits per hidden base below genome-tiny, one-sided p = {p:.2g}, 3 seeds"
    assert not any("ends" in line for line in table.sentences([run for run in runs if run["seed"] < 2], race))


def test_the_floor_is_reported_beside_the_target(table, race):
    runs = [a_run(race.target.name, seed, (8.0, 200, 1.95)) | {"floor": 1.96 + 0.02 * seed} for seed in range(2)]
    assert table.sentences(runs, race)[1] == "the hidden bases' own composition alone: 1.9700"


def test_padded_peers_have_the_loss_and_the_logits_of_the_packed_tokens(script):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForMaskedLM(BertConfig(vocab_size=20, **sizes)).eval()
    ids, at = torch.arange(1, 8), torch.tensor([1, 5])
    labels = torch.full((7,), -100).scatter(0, at, torch.tensor([11, 12]))
    packed = {"input_ids": ids, "cu_seqlens": torch.tensor([0, 3, 7], dtype=torch.int32), "max_seqlen": 4}
    peer = script("peers").Padded(model)
    logits = peer(**packed, masked_index=at).logits
    alone = torch.stack([model(ids[None, :3]).logits[0, 1], model(ids[None, 3:]).logits[0, 2]])
    assert torch.allclose(logits, alone, atol=1e-5)
    loss = peer(**packed, masked_index=at, labels=labels, loss_weights=torch.ones(2)).loss
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(alone, labels[at], reduction="sum"), atol=1e-5)


@pytest.fixture
def toy(script, monkeypatch):
    """The script with a race of toy size and two validations."""
    speedrun, arms = script("speedrun"), script("speedrun_arms")
    monkeypatch.setattr(script("speedrun_lap"), "MARKS", 2)
    size = ("encoder.hidden_size=16", "encoder.intermediate_size=16", "training.precision=fp32")

    def make(race, *settings):
        chosen = arms.RACES[race].arms[::2]
        small = [replace(arm, changes=(*arm.changes, *size, *settings), fraction=1.0) for arm in chosen]
        monkeypatch.setitem(speedrun.RACES, "toy", replace(arms.RACES[race], arms=tuple(small)))
        return speedrun

    return make


@pytest.fixture
def genome(tmp_path):
    letters = torch.randint(4, (40_000,), generator=torch.Generator().manual_seed(0))
    path = tmp_path / "genome.fa"
    path.write_text(">a\n" + "".join("ACGT"[n] for n in letters.tolist()) + "\n")
    return path


def test_arms_race_and_finished_runs_are_not_run_again(toy, genome, monkeypatch, tmp_path):
    small = ("training.sequences_per_step=2", "tokens.k=3", "windows.validation_windows=2", "masking.match=none")
    script, out = toy("published", *small), tmp_path / "result.json"
    script.main([genome], budget=0.02, seeds=1, arms="toy", out=out, picture=tmp_path / "curves.svg")
    first = json.loads(out.read_text())
    assert [run["arm"] for run in first["runs"]] == [arm.name for arm in script.RACES["toy"].arms]
    for run in first["runs"]:
        assert [row["cpu_s"] >= mark for row, mark in zip(run["curve"], (0.0125, 0.02), strict=True)] == [True, True]
        assert all(1.5 < row["score"] < 2.5 and row["tokens"] > 0 for row in run["curve"])
        assert 1.8 < run["floor"] <= 2
    assert (tmp_path / "curves.svg").stat().st_size > 0
    monkeypatch.setattr(script, "Lap", None)  # nothing may be built
    script.main([genome], budget=0.02, seeds=1, arms="toy", out=out, picture=None)
    assert json.loads(out.read_text())["runs"] == first["runs"]
    with pytest.raises(SystemExit, match="another setup"):
        script.main([genome], budget=0.03, seeds=1, arms="toy", out=out, picture=None)


def test_an_unknown_race_is_one_clear_error(script, tmp_path):
    with pytest.raises(SettingsError, match=r"--arms must be one of race, .*, got 'recrod'\. Did you mean 'record'"):
        script("speedrun").main([tmp_path / "genome.fa"], arms="recrod")


def test_runs_of_a_recipe_that_has_changed_since_are_refused(toy, tmp_path):
    small = ("training.sequences_per_step=2", "tokens.k=3")
    script, out = toy("published", *small), tmp_path / "result.json"
    arms = script.RACES["toy"].arms
    runs = [{"arm": arm.name, "seed": 0, "recipe": arm.digest(0)} for arm in arms]
    out.write_text(json.dumps({"setup": {}, "runs": [*runs, {"arm": "of another race", "seed": 0}]}))
    assert script.finished(out, {}, arms)[:-1] == runs
    other = replace(arms[0], changes=(*arms[0].changes, "encoder.stem_width=5"))
    with pytest.raises(SystemExit, match="whose recipe has changed"):
        script.finished(out, {}, (other, *arms[1:]))
    out.write_text(json.dumps({"setup": {}, "runs": [{"arm": arms[0].name, "seed": 0}]}))
    with pytest.raises(SystemExit, match="or was not recorded"):
        script.finished(out, {}, arms)


def test_a_race_on_text_is_scored_in_nats(toy, tmp_path):
    corpus, out = tmp_path / "corpus.jsonl", tmp_path / "result.json"
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    lines = [{"text": " ".join(words[(at + n * n) % 10] for n in range(20))} for at in range(60)]
    corpus.write_text("".join(json.dumps(line) + "\n" for line in lines))
    small = ("training.sequences_per_step=2", "tokens.vocab_size=256", "documents.validation_documents=6")
    script = toy("text", *small)
    script.main([corpus], budget=0.02, seeds=1, arms="toy", out=out, picture=None)
    runs = json.loads(out.read_text())["runs"]
    assert [run["arm"] for run in runs] == [arm.name for arm in script.RACES["toy"].arms]
    assert all(2 < row["score"] < 7 for run in runs for row in run["curve"])  # log 256 is 5.5
    [floor] = {run["floor"] for run in runs}
    assert floor == pytest.approx(math.log(10), abs=0.2)  # ten words, about equally often


def test_every_arm_is_a_recipe_that_can_be_read(script):
    for race in script("speedrun_arms").RACES.values():
        recipes = [arm.settings(seed=1) for arm in race.arms]
        assert {recipe.training.seed for recipe in recipes} == {1}
        assert len({recipe.tokens for recipe in recipes}) == 1
        held_out = [x.documents.validation_documents if x.kind == "text" else x.windows.validation_windows
                    for x in recipes]  # fmt: skip
        assert len(set(held_out)) == 1
        assert {race.target.name, race.before.name} <= {arm.name for arm in race.arms}


def test_a_race_of_many_arms_is_drawn(script, table, tmp_path):
    race = script("speedrun_arms").RACES["race"]
    table.draw([a_run(arm.name, 0, (1.0, 9, 1.99), (8.0, 90, 1.9)) for arm in race.arms], race, tmp_path / "race.svg")
    drawn = (tmp_path / "race.svg").read_text()
    assert len(race.arms) > 10
    assert all(arm.name.split(",")[0] in drawn for arm in race.arms)
