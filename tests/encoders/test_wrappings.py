"""What training scripts wrap around a state dict is removed, and nothing else."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genomask.encoders.bridges.wrappings import unwrapped
from genomask.errors import DataError

OWN = ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias", "classifier.weight")
FILE = Path("pytorch_model.bin")


def table(names):
    return {name: torch.full((2,), float(i)) for i, name in enumerate(names)}


@given(st.lists(st.sampled_from(["module.", "model.", "_orig_mod."]), max_size=5).map("".join))
def test_any_chain_of_prefixes_is_removed_from_the_names_of_a_bert(prefix):
    found = unwrapped(table(prefix + name for name in OWN), FILE)
    assert {name: x[0].item() for name, x in found.items()} == {name: i for i, name in enumerate(OWN)}


@given(st.lists(st.sampled_from(["model", "state_dict", "model_state_dict", "module"]), max_size=3))
def test_tables_within_tables_are_opened_whatever_stands_beside_them(nests):
    found = table(OWN)
    for nest in nests:
        found = {nest: found, "epoch": 3, "optimizer": {"lr": 0.1}}
    assert unwrapped(found, FILE).keys() == set(OWN)


def test_the_mark_of_a_compiled_part_is_removed_from_the_middle_of_a_name():
    found = unwrapped(table(["bert.encoder.layer.0._orig_mod.attention.self.query.weight"]), FILE)
    assert list(found) == ["bert.encoder.layer.0.attention.self.query.weight"]


@pytest.mark.parametrize(
    "names", [["model.layers.0.attn.Wo.weight", "head.dense.weight"], ["encoder.model.x"]], ids=len
)
def test_model_is_part_of_the_names_of_other_architectures(names):
    assert list(unwrapped(table(names), FILE)) == names
    assert list(unwrapped(table(f"module.{name}" for name in names), FILE)) == names


def self_referring():
    found = {}
    found["model"] = found
    return found


@pytest.mark.parametrize(
    "found",
    [
        [torch.ones(2)],
        {},
        {"weights": table(OWN)},
        {"model": table(OWN), "state_dict": table(OWN)},
        {"bert.x": 3},
        {3: torch.ones(2)},
        self_referring(),
        {"bert.x": torch.zeros(1).expand(10**12)},
        {"bert.x": torch.eye(3).to_sparse()},
    ],
    ids=["list", "empty", "unknown key", "two tables", "number", "no name", "in itself", "a bomb", "sparse"],
)
def test_a_file_that_is_no_table_of_tensors_is_refused(found):
    with pytest.raises(DataError, match=r"pytorch_model\.bin: not a table of tensors by name"):
        unwrapped(found, FILE)


def test_a_tensor_with_and_without_a_prefix_is_ambiguous():
    with pytest.raises(DataError, match="holds tensors twice"):
        unwrapped(table(["bert.x", "module.bert.x"]), FILE)
