import warnings

import numpy as np
import pytest
import torch

from genomask.errors import UserError
from genomask.inference.models import fingerprint, load


def test_the_seed_draws_the_head_and_nothing_else(model_folder):
    first, again, other = (load(model_folder, "classification", seed=seed, num_labels=2).model for seed in (1, 1, 2))
    states = [model.state_dict() for model in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    changed = {name for name in states[0] if not torch.equal(states[0][name], states[2][name])}
    assert changed == {"classifier.weight", "bert.pooler.dense.weight"}


def test_an_untrained_twin_has_the_config_but_none_of_the_weights(model_folder):
    trained = load(model_folder, seed=1, untrained=False).model
    twin, same, other = (load(model_folder, seed=seed, untrained=True).model for seed in (1, 1, 2))
    name = "embeddings.word_embeddings.weight"
    weight = {
        label: model.state_dict()[name] for label, model in zip("abcd", (trained, twin, same, other), strict=True)
    }
    assert weight["a"].shape == weight["b"].shape
    assert not torch.equal(weight["a"], weight["b"])
    assert torch.equal(weight["b"], weight["c"])
    assert not torch.equal(weight["b"], weight["d"])


def test_a_fingerprint_changes_only_with_the_config_and_the_weights(model_folder, bert_folder, tmp_path):
    assert fingerprint(model_folder) == fingerprint(model_folder) != fingerprint(bert_folder)
    with pytest.raises(UserError, match="no model here"):
        fingerprint(tmp_path)
    found = set()
    for name, content in (("config.json", "{}"), ("model.safetensors", "a"), ("config.json", "{ }"),
                          ("pytorch_model.bin", "a"), ("pytorch_model.bin", "b")):  # fmt: skip
        (tmp_path / name).write_text(content)
        if name != "config.json" or found:
            found.add(fingerprint(tmp_path))
    assert len(found) == 4
    (tmp_path / "README.md").write_text("of no consequence")
    assert fingerprint(tmp_path) in found
    (tmp_path / "model.safetensors").unlink()
    assert fingerprint(tmp_path) not in found


def test_the_random_generators_of_gpus_are_neither_seeded_nor_read(model_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)  # torch would save their states and warn at length
    for name in ("manual_seed_all", "get_rng_state", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: pytest.fail("a GPU's generator was touched"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(model_folder, "classification", seed=1, untrained=True, num_labels=2)


def test_global_random_state_is_left_alone(model_folder):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load(model_folder, "classification", seed=1, untrained=True, num_labels=2)
    assert torch.equal(torch.rand(1), expected)
    assert np.isfinite(expected.item())
