import errno
import logging

import pytest
import torch
from torch import nn

from genomask.errors import TrainingError
from genomask.training import checkpoint
from genomask.training.checkpoint import Progress, list_checkpoints, restore_checkpoint, save_checkpoint


class Tied(nn.Module):
    """Two names for one weight, as the encoder's embedding and decoder."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, width)
        self.decoder = nn.Linear(width, 5)
        self.decoder.weight = self.embedding.weight


def trained(seed: int, steps: int = 3) -> tuple[Tied, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    for _ in range(steps):
        model.decoder(model.embedding(torch.tensor([1, 2]))).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def test_a_restored_model_takes_the_same_next_steps(tmp_path):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, Progress(3, 600))
    other, other_optimizer = trained(1, steps=0)
    assert restore_checkpoint(tmp_path, other, other_optimizer) == Progress(3, 600)
    assert other.decoder.weight is other.embedding.weight
    for m, o in ((model, optimizer), (other, other_optimizer)):
        m.decoder(m.embedding(torch.tensor([3]))).square().sum().backward()
        o.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_the_last_two_are_kept_and_nothing_else_lies_beside_them(tmp_path):
    model, optimizer = trained(0)
    for step in (5, 10, 100):
        save_checkpoint(tmp_path, model, optimizer, Progress(step, step))
    assert [step for step, _ in list_checkpoints(tmp_path)] == [10, 100]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-10", "step-100"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_that_is_said(tmp_path, caplog, name):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, Progress(5, 50))
    save_checkpoint(tmp_path, model, optimizer, Progress(10, 100))
    damaged = tmp_path / "step-10" / name
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        assert restore_checkpoint(tmp_path, *trained(1)) == Progress(5, 50)
    assert "step-10" in caplog.text


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    save_checkpoint(tmp_path, *trained(0), Progress(5, 50))
    other = Tied(width=6)
    with pytest.raises(TrainingError, match="none of the 1 checkpoints"):
        restore_checkpoint(tmp_path, other, torch.optim.AdamW(other.parameters()))


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, Progress(5, 50))

    def no_space(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", no_space)
    with pytest.raises(TrainingError, match="No space left"):
        save_checkpoint(tmp_path, model, optimizer, Progress(10, 100))
    assert [p.name for p in tmp_path.iterdir()] == ["step-5"]
    monkeypatch.undo()
    assert restore_checkpoint(tmp_path, *trained(1)) == Progress(5, 50)


def test_no_checkpoint_means_a_start_from_step_zero(tmp_path):
    assert restore_checkpoint(tmp_path / "none", *trained(0)) == Progress()
