"""What a step of the loop hangs on; whole runs are in tests/commands/test_pretrain.py."""

from types import SimpleNamespace

import pytest
import torch

from genomask.masking import MaskAccount
from genomask.training import loop
from genomask.training.distributed import World, being
from genomask.training.finite import StepResult
from genomask.training.loop import one_step
from genomask.training.optimizer import OptimizerSettings


@pytest.fixture
def seed_of(monkeypatch):
    """Runs one step, of a process among others, in which nothing is trained; the seed that its dropout has."""
    monkeypatch.setattr(loop, "train_step", lambda *_, **__: StepResult(1.0, 1.0))
    monkeypatch.setattr(loop.distributed, "sums", list)

    def seed(seed=0, step=0, rank=0):
        training = SimpleNamespace(seed=seed, steps=10)
        run = SimpleNamespace(training=training, optimizer=OptimizerSettings(), precision="fp32")
        window = SimpleNamespace(has_data=lambda: None, add=lambda *_: None)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
        state = SimpleNamespace(window=window, is_settled=True, optimizer=optimizer, skipped=0)
        state.network = state.device = None
        batch = SimpleNamespace(step=step, microbatches=[], unfilled=[], masks=MaskAccount(1, 1, 1, 1, 1), phase=None)
        with being(World(rank, 4)), torch.random.fork_rng(devices=[]):
            one_step(run, state, batch)
            return torch.initial_seed()

    return seed


def test_dropout_is_drawn_anew_for_each_seed_step_and_process_and_the_same_again(seed_of):
    asked = [{"seed": seed, "step": step, "rank": rank} for seed in (0, 1) for step in (0, 1) for rank in (0, 3)]
    seeds = [seed_of(**each) for each in asked]
    assert len(set(seeds)) == 8
    torch.manual_seed(7)
    assert [seed_of(**each) for each in asked] == seeds
