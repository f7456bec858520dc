"""Parts of the training loop; whole runs are in tests/commands/test_pretrain.py."""

from types import SimpleNamespace

import pytest
import torch

from genomask.masking import MaskAccount
from genomask.training import loop
from genomask.training.checkpoint_state import Best
from genomask.training.distributed import World, being
from genomask.training.finite import StepResult
from genomask.training.loop import consider_best, one_step, save
from genomask.training.optimizer import OptimizerSettings


@pytest.fixture
def seed_of(monkeypatch):
    """Runs one step of one of several processes without training, and returns the seed of its dropout."""
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


def test_dropout_differs_by_seed_step_and_process_and_is_reproducible(seed_of):
    asked = [{"seed": seed, "step": step, "rank": rank} for seed in (0, 1) for step in (0, 1) for rank in (0, 3)]
    seeds = [seed_of(**each) for each in asked]
    assert len(set(seeds)) == 8
    torch.manual_seed(7)
    assert [seed_of(**each) for each in asked] == seeds


@pytest.mark.parametrize("name", ["eval_bits_per_hidden_base", "eval_loss_nats_per_masked_token"])
def test_the_best_evaluation_is_the_first_with_the_lowest_bits_or_else_lowest_loss(name):
    state, found = SimpleNamespace(best=None), []
    for done, score in enumerate([2.0, 1.9, 1.95, 1.9, 1.8], start=1):
        state.done = done
        falling = {"eval_loss_nats_per_masked_token": 5.0 - done} if name != "eval_loss_nats_per_masked_token" else {}
        found.append(consider_best(state, {**falling, name: score}))
    assert found == [True, True, False, False, True]
    assert state.best == Best(5, 1.8)


def test_only_the_main_process_saves_checkpoints_and_it_spares_the_best():
    run, state, asked = SimpleNamespace(model=None), SimpleNamespace(optimizer=None, progress="now", best=None), []
    state.metrics = SimpleNamespace(sync=None)
    writer = SimpleNamespace(save=lambda *given, first: asked.append(given[2:]))
    save(run, state, writer)
    state.best = Best(5, 1.8)
    save(run, state, writer)
    with being(World(1, 2)):
        save(run, state, writer)
    assert asked == [("now", ()), ("now", (5,))]
