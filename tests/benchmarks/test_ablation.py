import gc

import pytest
import torch

from genomask.encoders.settings import EncoderSettings

CPU = torch.device("cpu")


@pytest.fixture
def ablation(script, monkeypatch):
    monkeypatch.setattr(gc, "collect", lambda: 0)  # between turns; it takes most of the time here
    return script("ablation")


@pytest.fixture
def toy(ablation):
    return ablation.Shape(width=24, layers=2, heads=2, intermediate=72, sequences=3, vocabulary=60)


def test_every_part_is_compared_with_the_whole_in_one_run(ablation, toy):
    kept = []
    trial = ablation.Trial.of(ablation.Case("dna", toy, 0.15), 8, CPU, "fp32")
    rows = {row["side"]: row for row in ablation.measure(toy, trial, ablation.Budget(2), kept.append)}
    assert list(rows) == [
        "all on",
        "unpadding off",
        "last layer and head for all tokens",
        "LayerNorm in fp32",
        "dense MLP, equal parameters",
        "learned positions",
        "directed ALiBi",
    ]
    assert [[row["side"] for row in soon] for soon in kept] == [list(rows)[:n] for n in range(1, 8)]
    assert rows["all on"]["times_slower_wall"] == rows["all on"]["times_slower_cpu"] == 1
    assert all(row["against"] == "all on" and row["cpu_s_per_step"] > 0 for row in rows.values())
    kept = {name: row["kept_for_backward_mib"] for name, row in rows.items()}
    assert kept["unpadding off"] > kept["all on"] > 0
    assert kept["last layer and head for all tokens"] > kept["all on"]


def test_variants_change_encoder_settings_and_keep_the_number_of_parameters(ablation, toy):
    sides = ablation.variants(toy, CPU, "bf16")
    whole = ablation.build(toy, sides["all on"][0])
    known = vars(EncoderSettings()).keys()
    for name, (changes, compiled) in sides.items():
        assert changes.keys() <= known
        assert not compiled
        fraction = ablation.build(toy, changes).num_parameters() / whole.num_parameters()
        assert 0.98 < fraction < (4 if name == "learned positions" else 1.02)


def test_on_a_gpu_there_are_compiled_and_uncompiled_variants(ablation, toy, monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(ablation, "choose_backend", lambda *_: "flex")
    monkeypatch.setattr(ablation, "backends_on", lambda _: ["flex", "sdpa"])
    sides = ablation.variants(toy, gpu, "bf16")
    free = {name for name, (_, compiled) in sides.items() if not compiled}
    assert free == {"unpadding off", "all on, not compiled", "backend sdpa"}


def test_the_file_is_named_after_the_machine(ablation):
    assert ablation.machine_name({"device": "NVIDIA H100 80GB HBM3", "processor": "x"}) == "nvidia-h100-80gb-hbm3"
    assert (
        ablation.machine_name({"device": "cpu", "processor": "Intel(R) Xeon(R) (family 6, model 1)"})
        == "intel-r-xeon-r-family-6-model-1"
    )
