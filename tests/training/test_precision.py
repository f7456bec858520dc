from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from genomask.encoders import MosaicBertConfig
from genomask.training import precision
from genomask.training.precision import bf16_gain, choose_precision, measure_gain

CPU = torch.device("cpu")
CONFIG = MosaicBertConfig(
    vocab_size=69, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16
)


@pytest.mark.parametrize(
    ("asked", "has_units", "gain", "chosen"),
    [("auto", True, 1.5, "bf16"), ("auto", True, 1.05, "fp32"), ("auto", True, 0.5, "fp32"),
     ("auto", False, 1.5, "fp32"), ("bf16", False, 0.5, "bf16"), ("fp32", True, 1.5, "fp32")],
)  # fmt: skip
def test_auto_is_bf16_on_a_processor_where_that_was_measured_to_be_faster(
    asked, has_units, gain, chosen, bf16_units, monkeypatch, caplog
):
    bf16_units(has_units)
    monkeypatch.setattr(precision, "bf16_gain", lambda *_: gain)
    with caplog.at_level("INFO", logger="genomask"):
        assert choose_precision(asked, CPU, CONFIG, 64) == chosen
    was_tried = asked == "auto" and has_units
    assert (f"precision {chosen}: bf16 is {gain:.2f} times" in caplog.text) == was_tried
    assert ("(used from 1.1 times on)" in caplog.text) == was_tried


@pytest.mark.parametrize("computes", [True, False])
def test_auto_is_bf16_on_a_gpu_that_computes_in_it(computes, monkeypatch):
    monkeypatch.setattr("genomask.training.device.computes_in_bf16", lambda _: computes)
    assert choose_precision("auto", torch.device("cuda"), CONFIG, 64) == ("bf16" if computes else "fp32")


@pytest.mark.parametrize("other", [{"stem_width": 9}, {"stem_fraction": 0.5}, {"mlp": "dense"}], ids=str)
def test_encoders_of_other_shapes_are_tried_separately(other, tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    tried = []
    monkeypatch.setattr(precision, "measure_gain", lambda config, _: float(tried.append(config) or len(tried)))
    one, another = (MosaicBertConfig(**CONFIG.to_dict() | {"stem_width": 5} | change) for change in ({}, other))
    assert [bf16_gain(config, 64) for config in (one, another, one, another)] == [1.0, 2.0, 1.0, 2.0]


def test_the_trial_leaves_the_random_state_unchanged_and_returns_a_ratio_of_times(monkeypatch):
    monkeypatch.setattr(precision, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(precision, "PROBE_TOKENS", 64)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert 0.01 < measure_gain(CONFIG, 16) < 100
    assert torch.equal(torch.get_rng_state(), before)


def test_the_gain_is_the_speed_of_bf16_relative_to_fp32_once_both_are_warm(monkeypatch):
    clock, calls = [0.0], Counter()

    def takes(_model, _batch, _device, precision):
        calls[precision] += 1
        clock[0] += 100.0 if calls[precision] == 1 else {"bf16": 1.0, "fp32": 3.0}[precision]
        return SimpleNamespace(backward=lambda: None)

    now = SimpleNamespace(process_time=lambda: clock[0], perf_counter=lambda: clock[0])
    monkeypatch.setattr(precision, "time", now)
    monkeypatch.setattr(precision, "loss_sum", takes)
    assert measure_gain(CONFIG, 16) == 3.0
    assert calls["bf16"] == calls["fp32"] == 2
