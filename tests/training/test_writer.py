import errno
import threading

import pytest
import torch
from torch import nn

from genomask.errors import TrainingError
from genomask.training import checkpoint
from genomask.training.checkpoint import list_checkpoints, save_checkpoint
from genomask.training.checkpoint_state import CheckpointState
from genomask.training.writer import CheckpointWriter


def trained():
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    step(model, optimizer)
    return model, optimizer


def step(model, optimizer):
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()


@pytest.fixture
def held(monkeypatch):
    """Writing waits until this is set."""
    go_on, write = threading.Event(), checkpoint.save_file

    def slow(tensors, path):
        assert go_on.wait(20)
        write(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", slow)
    return go_on


def test_training_continues_and_the_checkpoint_is_of_the_moment_it_was_asked_for(tmp_path, held, caplog):
    model, optimizer = trained()
    held.set()
    save_checkpoint(tmp_path / "plain", model, optimizer, CheckpointState(1, 10))
    held.clear()
    caplog.set_level("INFO", logger="genomask")
    with CheckpointWriter(tmp_path / "beside") as writer:
        writer.save(model, optimizer, CheckpointState(1, 10), (), first=lambda: None)
        step(model, optimizer)
        writer.check()
        assert list_checkpoints(tmp_path / "beside") == []
        held.set()
        writer.wait()
        assert [step for step, _ in list_checkpoints(tmp_path / "beside")] == [1]
    for name in (*checkpoint.FILES, checkpoint.DIGESTS):
        plain, beside = (tmp_path / folder / "step-1" / name for folder in ("plain", "beside"))
        assert plain.read_bytes() == beside.read_bytes(), name
    assert "checkpoints written during training: 1, for which it waited" in caplog.text
    assert writer.waited > 0


def test_one_is_written_at_a_time_and_leaving_waits_for_the_last(tmp_path, held):
    model, optimizer = trained()
    order = []
    threading.Timer(0.05, held.set).start()
    with CheckpointWriter(tmp_path) as writer:
        for number in (1, 2, 3):
            writer.save(
                model, optimizer, CheckpointState(number), (1,), first=lambda number=number: order.append(number)
            )
    assert order == [1, 2, 3]
    assert [step for step, _ in list_checkpoints(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("how", ["check", "wait", "save", "leave"])
def test_an_error_in_writing_ends_training_with_its_message(tmp_path, monkeypatch, how):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    model, optimizer = trained()
    monkeypatch.setattr(checkpoint, "save_file", no_space)
    said, writer = threading.Event(), CheckpointWriter(tmp_path)
    again = {
        "check": lambda: said.wait(20) and wait_for_end(writer),
        "wait": lambda: writer.wait(),
        "save": lambda: writer.save(model, optimizer, CheckpointState(2), (), first=said.set),
        "leave": lambda: None,
    }

    def train():
        with writer:
            writer.save(model, optimizer, CheckpointState(1), (), first=said.set)
            again[how]()

    with pytest.raises(TrainingError, match=r"checkpoint of step 1 could not be written .*No space left"):
        train()


def wait_for_end(writer):
    while True:
        writer.check()


def test_an_error_in_training_is_not_hidden_by_one_in_writing(tmp_path):
    model, optimizer = trained()
    with torch.no_grad():
        model.weight[0, 0] = float("nan")

    def train():
        with CheckpointWriter(tmp_path) as writer:
            writer.save(model, optimizer, CheckpointState(1), (), first=lambda: None)
            raise KeyError

    with pytest.raises(KeyError):
        train()
    assert list_checkpoints(tmp_path) == []
