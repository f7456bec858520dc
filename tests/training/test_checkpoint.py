import errno
import json
import logging
import os
import resource
import signal

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from genomask.errors import TrainingError
from genomask.files.digests import write_digests
from genomask.masking import MaskAccount
from genomask.training import checkpoint
from genomask.training.checkpoint import list_checkpoints, load_weights, restore_checkpoint, save_checkpoint
from genomask.training.checkpoint_state import Best, CheckpointState, WindowSums
from genomask.training.signals import listen_for_stop


class Tied(nn.Module):
    """Two names for one weight, like the encoder's embedding and decoder."""

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
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(3, 600))
    other, other_optimizer = trained(1, steps=0)
    assert restore_checkpoint(tmp_path, other, other_optimizer) == CheckpointState(3, 600)
    assert other.decoder.weight is other.embedding.weight
    for m, o in ((model, optimizer), (other, other_optimizer)):
        m.decoder(m.embedding(torch.tensor([3]))).square().sum().backward()
        o.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_the_last_two_are_kept_and_nothing_else_lies_beside_them(tmp_path):
    model, optimizer = trained(0)
    for step in (5, 10, 100):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(step, step))
    assert [step for step, _ in list_checkpoints(tmp_path)] == [10, 100]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-10", "step-100"]


def test_spared_checkpoints_stay_and_their_weights_load_or_are_reported_damaged(tmp_path):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(1))
    wanted = model.decoder.bias.detach().clone()
    torch.nn.init.zeros_(model.decoder.bias)
    for step in (2, 3, 4):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(step), spared=[1])
    assert [step for step, _ in list_checkpoints(tmp_path)] == [1, 3, 4]
    load_weights(tmp_path, 1, model)
    assert torch.equal(model.decoder.bias, wanted)
    assert model.decoder.weight is model.embedding.weight
    flip_a_bit(tmp_path / "step-1" / "model.safetensors")
    for step in (1, 2):
        with pytest.raises(TrainingError, match=f"step-{step} cannot be used"):
            load_weights(tmp_path, step, model)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(tmp_path, caplog, name):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(5, 50))
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(10, 100))
    damaged = tmp_path / "step-10" / name
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(5, 50)
    assert "step-10" in caplog.text


def test_a_damaged_checkpoint_does_not_count_among_those_that_are_kept(tmp_path):
    model, optimizer = trained(0)
    for step in (50, 100, 200):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(step))
    flip_a_bit(tmp_path / "step-200" / "model.safetensors")
    assert restore_checkpoint(tmp_path, model, optimizer) == CheckpointState(100)
    for step, kept in ((150, [100, 150]), (160, [150, 160])):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(step))
        assert [step for step, _ in list_checkpoints(tmp_path)] == kept


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    save_checkpoint(tmp_path, *trained(0), CheckpointState(5, 50))
    other = Tied(width=6)
    with pytest.raises(TrainingError, match=r"no checkpoint in .* can be used \(1 found\)"):
        restore_checkpoint(tmp_path, other, torch.optim.AdamW(other.parameters()))


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(5, 50))

    def no_space(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", no_space)
    with pytest.raises(TrainingError, match="No space left"):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(10, 100))
    assert [p.name for p in tmp_path.iterdir()] == ["step-5"]
    monkeypatch.undo()
    assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(5, 50)


def test_the_best_by_evaluation_stays_beside_the_last_two(tmp_path):
    model, optimizer = trained(0)
    for step, best in ((5, 5), (10, 5), (15, 5), (20, 20), (25, 20), (30, 20), (35, 20)):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(step, step), spared=(best,))
        kept = [step for step, _ in list_checkpoints(tmp_path)]
        assert kept == sorted({best, *range(5, step + 1, 5)[-2:]})


def test_a_limit_on_the_size_of_files_leaves_the_last_checkpoint_whole(tmp_path):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(5, 5))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(TrainingError, match=r"checkpoint of step 10 could not be written .*older checkpoints are"):
            save_checkpoint(tmp_path, model, optimizer, CheckpointState(10, 10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-5"]
    assert restore_checkpoint(tmp_path, *trained(1, steps=0)) == CheckpointState(5, 5)


def test_a_signal_while_a_checkpoint_is_written_waits_for_it(tmp_path, monkeypatch):
    model, optimizer = trained(0)
    write = checkpoint.save_file

    def asked_to_stop(tensors, path):
        os.kill(os.getpid(), signal.SIGTERM)
        write(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", asked_to_stop)
    with listen_for_stop() as stop:
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(5, 5))
    assert stop.signal_number == signal.SIGTERM
    assert restore_checkpoint(tmp_path, *trained(1, steps=0)) == CheckpointState(5, 5)


def test_no_checkpoint_means_a_start_from_step_zero(tmp_path):
    assert restore_checkpoint(tmp_path / "none", *trained(0)) == CheckpointState()


def flip_a_bit(path, at=-1):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)


def two_checkpoints(folder, progress=CheckpointState(10, 100)):  # noqa: B008
    model, optimizer = trained(0)
    save_checkpoint(folder, model, optimizer, CheckpointState(5, 50))
    save_checkpoint(folder, model, optimizer, progress)
    return folder / f"step-{progress.steps_done}"


@pytest.mark.parametrize("name", [*checkpoint.FILES, checkpoint.DIGESTS])
def test_a_flipped_bit_in_any_file_is_named_and_the_checkpoint_before_is_used(tmp_path, caplog, name):
    flip_a_bit(two_checkpoints(tmp_path) / name)
    assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(5, 50)
    assert "step-10 cannot be used" in caplog.text
    assert name in caplog.text


def edit_state(**changes):
    def edit(path):
        file = path / "state.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return edit


def edit_tensors(name, change):
    def edit(path):
        file = path / f"{name}.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    return edit


DAMAGE = {
    "null": lambda path: (path / "state.json").write_text("null"),
    "a list": lambda path: (path / "state.json").write_text("[1, 2]"),
    "empty": lambda path: (path / "state.json").write_text("{}"),
    "not UTF-8": lambda path: (path / "state.json").write_bytes(b"\xff\xfe"),
    "deep": lambda path: (path / "state.json").write_text("[" * 100_000),
    "a folder": lambda path: ((path / "state.json").unlink(), (path / "state.json").mkdir()),
    "another step": edit_state(steps_done=9),
    "steps as text": edit_state(steps_done="10"),
    "steps as truth": edit_state(steps_done=True),
    "negative tokens": edit_state(tokens=-1),
    "scores of text": edit_state(fixed_mask_scores=["a"]),
    "scores that are none": edit_state(fixed_mask_scores=3),
    "nan score": edit_state(fixed_mask_scores=[float("nan")]),
    "window without sums": edit_state(window={}),
    "window of another type": edit_state(window=[0]),
    "switched at a half": edit_state(switched_at=1.5),
    "no moments": edit_tensors("optimizer", lambda tensors: tensors.clear()),
    "a moment is missing": edit_tensors("optimizer", lambda tensors: tensors.pop("decoder.bias/exp_avg")),
    "a moment of nobody": edit_tensors("optimizer", lambda tensors: tensors.update(x=torch.zeros(1))),
    "a moment of another shape": edit_tensors(
        "optimizer", lambda tensors: tensors.update({"decoder.bias/exp_avg": torch.zeros(7)})
    ),
    "a tensor is missing": edit_tensors("model", lambda tensors: tensors.pop("decoder.bias")),
    "a tensor too many": edit_tensors("model", lambda tensors: tensors.update(x=torch.zeros(1))),
    "another type": edit_tensors("model", lambda tensors: tensors.update({"decoder.bias": torch.zeros(5).double()})),
    "nan weights": edit_tensors("model", lambda tensors: tensors["decoder.bias"].fill_(float("nan"))),
    "inf moments": edit_tensors("optimizer", lambda tensors: tensors["decoder.bias/exp_avg"].fill_(float("inf"))),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_contents_that_no_save_could_write_are_passed_over_even_if_digests_match(tmp_path, caplog, damage):
    path = two_checkpoints(tmp_path)
    DAMAGE[damage](path)
    if (path / "state.json").is_file():
        write_digests(path / checkpoint.DIGESTS, checkpoint.FILES)
    assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(5, 50)
    assert "step-10 cannot be used" in caplog.text


def test_a_checkpoint_older_than_digests_is_used_and_reported(tmp_path, caplog):
    path = two_checkpoints(tmp_path)
    (path / checkpoint.DIGESTS).unlink()
    (path / "state.json").write_text('{"steps_done": 10, "tokens": 7, "fixed_mask_scores": [], "switched_at": null}')
    assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(10, 7)
    assert "step-10 has no digests" in caplog.text
    DAMAGE["a moment is missing"](path)
    DAMAGE["no moments"](path)
    assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(5, 50)


def test_all_of_the_progress_comes_back(tmp_path):
    window = WindowSums(MaskAccount(100, 15, 200, 20, 2), 1 / 3, 0.1, 0.05, 2.5, steps=4, flops=2**60, skipped=3)
    whole = CheckpointState(10, 1234, (1.9, 1.8), switched_at=7, window=window, best=Best(4, 1.8), skipped_in_a_row=3)
    assert all(
        a != b
        for mine, none in ((whole, CheckpointState()), (window, WindowSums()))
        for a, b in zip(mine, none, strict=True)
    )  # so a lost field would show
    two_checkpoints(tmp_path, whole)
    assert restore_checkpoint(tmp_path, *trained(1)) == whole


def test_other_files_and_folders_among_the_checkpoints_are_ignored(tmp_path):
    two_checkpoints(tmp_path)
    for name in ("15.bak", "x", "", "007", "+7", "1٣", "1e3", 30 * "9", "7 "):
        (tmp_path / f"step-{name}").mkdir()
    (tmp_path / "step-99").touch()
    before = sorted(tmp_path.iterdir())
    assert [step for step, _ in list_checkpoints(tmp_path)] == [5, 10]
    assert restore_checkpoint(tmp_path, *trained(1)) == CheckpointState(10, 100)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "checkpoints").touch()
    with pytest.raises(TrainingError, match="checkpoints is not a folder"):
        restore_checkpoint(tmp_path / "checkpoints", *trained(1))


@pytest.mark.parametrize("where", ["weights", "moments"])
def test_weights_or_moments_that_are_not_finite_are_never_saved(tmp_path, where):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, CheckpointState(5, 50))
    tensor = model.decoder.bias if where == "weights" else optimizer.state[model.decoder.bias]["exp_avg"]
    with torch.no_grad():
        tensor[0] = float("nan")
    with pytest.raises(TrainingError, match=r"decoder\.bias.* is not finite after step 10.*another --out"):
        save_checkpoint(tmp_path, model, optimizer, CheckpointState(10, 100))
    assert [path.name for path in tmp_path.iterdir()] == ["step-5"]
