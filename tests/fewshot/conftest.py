"""A tiny untrained model folder and a small task with a signal, for the tests of this room."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genomask.data import KmerTokenizer
from genomask.data.tasks import LabelledTask
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """Two layers of width 32 over 3-mers, in Hugging Face layout."""
    folder = tmp_path_factory.mktemp("fewshot-model")
    tokenizer = KmerTokenizer(k=3)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = MosaicBertConfig(vocab_size=tokenizer.vocab_size, hidden_dropout_prob=0.0, **sizes)
    MosaicBertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_task(n: int, seed: int, path: str, length: int = 24) -> LabelledTask:
    """`n` sequences of each of two classes, the second richer in G and C."""
    rng = np.random.default_rng(seed)
    chances = ([0.35, 0.15, 0.15, 0.35], [0.15, 0.35, 0.35, 0.15])
    sequences = ["".join(rng.choice(list("ACGT"), length, p=p)) for p in chances for _ in range(n)]
    return LabelledTask("toy", sequences, np.repeat([0, 1], n), ["at", "gc"], Path(path))


@pytest.fixture(scope="session")
def pool() -> LabelledTask:
    return make_task(12, seed=1, path="pool.tsv")


@pytest.fixture(scope="session")
def test_task() -> LabelledTask:
    return make_task(30, seed=2, path="test.tsv")
