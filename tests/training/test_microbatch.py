import json
import multiprocessing
from types import SimpleNamespace

import pytest
import torch
import torch.distributed

from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.errors import SettingsError
from genomask.training.distributed import World, being
from genomask.training.made_batch import made_batch
from genomask.training.microbatch import Trial, agreed, halves, tokens_at_once
from genomask.types import IGNORE

CPU, GPU = torch.device("cpu"), torch.device("cuda")
CONFIG = MosaicBertConfig(
    vocab_size=69, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
)


@pytest.fixture
def tried():
    """Sizes that a model was asked to train on."""
    return []


@pytest.fixture
def trial_with_room_for(tried):
    """A trial on the CPU that behaves like a GPU with room for `forward` and `backward` tokens in these passes."""

    def made(forward, backward=10**9, device=CPU):
        model = MosaicBertForMaskedLM(CONFIG).eval()

        def refuse(room):
            if tried[-1] > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

        def begin(_, __, batch):
            tried.append(len(batch["input_ids"]))
            assert batch["max_seqlen"] == int(batch["cu_seqlens"].diff().max())
            refuse(forward)

        model.register_forward_pre_hook(begin, with_kwargs=True)
        model.get_input_embeddings().weight.register_hook(lambda _: refuse(backward))
        return Trial(model, device, "fp32", longest=50, fraction=0.15)

    return made


@pytest.mark.parametrize(
    ("most", "forward", "backward", "sizes"),
    [(800, 10**9, 10**9, [800]), (800, 399, 10**9, [800, 400, 200]), (800, 10**9, 250, [800, 400, 200]),
     (130, 60, 10**9, [130, 65, 50]), (50, 50, 50, [50])],
)  # fmt: skip
def test_the_first_of_the_halves_that_fits_is_used(trial_with_room_for, tried, most, forward, backward, sizes):
    trial = trial_with_room_for(forward, backward)
    assert trial.largest(most, spared=0) == sizes[-1]
    assert tried == sizes
    assert trial.model.training
    assert all(parameter.grad is None for parameter in trial.model.parameters())


def test_memory_for_less_than_one_sequence_is_one_clear_error(trial_with_room_for, tried):
    with pytest.raises(SettingsError, match=r"one sequence of 50 tokens does not fit .* \[encoder\]"):
        trial_with_room_for(49).largest(200, spared=0)
    assert tried == [200, 100, 50]


def test_another_error_is_not_taken_for_a_lack_of_memory(trial_with_room_for):
    trial = trial_with_room_for(10**9)
    trial.model.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trial.largest(200, spared=0)


def test_spared_memory_is_held_during_the_trial(trial_with_room_for, monkeypatch):
    trial, held = trial_with_room_for(10**9), []
    empty = torch.empty

    def noted(*size, **options):
        if options.get("dtype") is torch.uint8:
            held.append(size[0])
        return empty(*size, **options)

    monkeypatch.setattr(torch, "empty", noted)
    trial.largest(50, spared=1000)
    assert held == [1000 + 8 * trial.model.num_parameters()]  # and AdamW's two moments


@pytest.mark.parametrize(("tokens", "longest", "masked"), [(100, 50, 15), (130, 50, 130), (50, 50, 1)])
def test_a_made_batch_has_the_asked_tokens_longest_sequences_and_masked_tokens(tokens, longest, masked):
    batch = made_batch(69, tokens, longest, masked)
    lengths = batch.cu_seqlens.diff().tolist()
    assert (sum(lengths), lengths[0], max(lengths)) == (tokens, longest, longest)
    assert min(lengths) > 0
    assert torch.equal((batch.labels != IGNORE).nonzero().squeeze(1), batch.masked_index)
    assert len(batch.masked_index) == len(batch.loss_weights) == masked


def test_the_halves_end_with_one_sequence():
    assert list(halves(1000, 130)) == [1000, 500, 250, 130]
    assert list(halves(100, 130)) == [130]


def answer(rank, where, here, answers):
    """Put what two processes agree on into `answers`, as one of them."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{where}", rank=rank, world_size=2)
    with being(World(rank, 2)):
        answers.put(agreed(here))
    torch.distributed.destroy_process_group()


def test_two_processes_agree_on_the_smaller_size(tmp_path):
    assert agreed(700) == 700
    fork = multiprocessing.get_context("fork")  # spawned processes would each load torch again
    answers = fork.Queue()
    parts = [fork.Process(target=answer, args=(r, tmp_path / "meet", n, answers)) for r, n in enumerate((4096, 2048))]
    for part in parts:
        part.start()
    assert [answers.get(timeout=60) for _ in parts] == [2048, 2048]
    for part in parts:
        part.join(60)
        assert part.exitcode == 0


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that reports its name and memory, and cannot compute; the model stays where it is."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=1000))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)


@pytest.mark.parametrize(("sequences", "most"), [(4, 200), (1_000_000, 131_072)])
def test_a_gpu_tries_at_most_the_tokens_of_a_step_and_spares_a_tenth_of_its_memory(
    gpu, trial_with_room_for, tmp_path, monkeypatch, caplog, sequences, most
):
    asked = []
    monkeypatch.setattr(Trial, "largest", lambda _, *what: asked.append(what) or 150)
    with caplog.at_level("INFO", logger="genomask"):
        trial = trial_with_room_for(0, device=GPU)
        assert tokens_at_once(SimpleNamespace(sequences_per_step=sequences), trial, tmp_path) == 150
    assert asked == [(most, 100)]
    assert "microbatches of up to 150 tokens, the largest tried that fits on a GPU" in caplog.text


@pytest.mark.parametrize(
    ("noted", "found"),
    [({"device": "a GPU", "processes": 1, "tokens_per_microbatch": 4000}, 4000),
     ({"device": "a GPU", "processes": 2, "tokens_per_microbatch": 4000}, 150),
     ({"device": "cpu", "processes": 1, "tokens_per_microbatch": 16_384}, 150),
     ({"device": "a GPU", "processes": 1}, 150)],
)  # fmt: skip
def test_a_resumed_run_keeps_its_size_on_as_many_gpus_of_the_same_kind(
    gpu, trial_with_room_for, tmp_path, monkeypatch, noted, found
):
    monkeypatch.setattr(Trial, "largest", lambda *_: 150)
    (tmp_path / "environment.json").write_text(json.dumps(noted))
    trial = trial_with_room_for(0, device=GPU)
    assert tokens_at_once(SimpleNamespace(sequences_per_step=8), trial, tmp_path) == found


def test_on_a_processor_nothing_is_tried(trial_with_room_for, tried, tmp_path):
    trial = trial_with_room_for(0)
    assert tokens_at_once(SimpleNamespace(sequences_per_step=8), trial, tmp_path) == 16_384
    assert tokens_at_once(SimpleNamespace(sequences_per_step=8), trial._replace(longest=20_000), tmp_path) == 20_000
    assert tried == []
