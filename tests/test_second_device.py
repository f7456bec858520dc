"""Code for a GPU, run on a stand-in that refuses tensors left on the CPU: the same bits, the same training.

The checks run in a process of their own, since the stand-in is registered for a whole process.
"""

import json
import os
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from fork_server import fork_server

from genomask.data import KmerTokenizer
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.masking import NpmiTable, build_strategy, corrupt
from genomask.masking.accounting import account
from genomask.masking.registry import STRATEGIES
from genomask.training.optimizer import OptimizerSettings, build_optimizer
from genomask.training.step import train_step
from genomask.types import IGNORE, PackedBatch

SWITCHES = [
    {}, {"positions": "alibi-directed"}, {"positions": "learned"}, {"mlp": "dense"}, {"unpadding": False},
    {"head_on_masked_only": False},
]  # fmt: skip


CHECKS = ("masks_are_equal", "training_is_equal", "a_tensor_left_behind_is_refused")


def test_every_check_passes_on_a_second_device(tmp_path):
    """One test, because each pytest process that took one of several would run all checks."""
    process = fork_server().Process(target=run_checks, args=(tmp_path / "failures.json",))
    process.start()
    process.join()
    assert process.exitcode == 0
    failures = json.loads((tmp_path / "failures.json").read_text())
    assert list(failures) == list(CHECKS)
    assert not any(failures.values()), "\n".join(failures.values())


def run_checks(found: Path):
    """Write what went wrong in each check, empty where nothing did, and end the process."""
    failures = dict.fromkeys(CHECKS, "")
    for name in failures:
        try:
            globals()[name]()
        except BaseException:  # noqa: BLE001  (the test shows it)
            failures[name] = traceback.format_exc()
    found.write_text(json.dumps(failures))
    os._exit(0)  # PyTorch aborts at an orderly exit


def masks_are_equal():
    from second_device import SecondDevice, There

    rng = np.random.default_rng(0)
    for k, stride in ((6, 1), (3, 1), (4, 4)):
        tokenizer = KmerTokenizer(k=k, stride=stride)
        tokens = tokenizer.token_bases
        sequences = [tokenizer.encode_bases(rng.choice(5, n, p=[0.249] * 4 + [0.004])) for n in (600, k, 1, 90)]
        ids = torch.from_numpy(np.concatenate(sequences))
        cu_seqlens = torch.tensor([0, *map(len, sequences)]).cumsum(0)
        batch = ids, cu_seqlens, torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(sequences)))
        npmi = NpmiTable.from_counts({n: rng.integers(50, 1000, 4**n) for n in range(1, k + 1)})
        for name in [name for name, spec in STRATEGIES.items() if spec.units != "text"]:
            strategy = build_strategy(name, tokens=tokens, mask_rate=0.3, npmi=npmi, match="none")
            here = masked(strategy, *batch, tokens)
            with SecondDevice():
                *there, counts = masked(strategy, *map(There, batch), tokens)
            assert counts == here[-1], name
            assert counts.tokens_masked > 0, name
            assert all(a.equal(b.here) for a, b in zip(here, there, strict=False)), name


def masked(strategy, ids, cu_seqlens, keys, tokens):
    """Spans, then ids and labels of both kinds of corruption, and what the first of them hides."""
    spans = strategy.select(ids, cu_seqlens, keys)
    by_span, by_token = (corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per) for per in ("span", "token"))
    return spans, *by_span, *by_token, account(ids, by_span[0], spans, cu_seqlens, tokens)


def training_is_equal():
    from second_device import NAME, SecondDevice

    for switches in SWITCHES:
        here, loss_here = trained(switches, torch.device("cpu"))
        with SecondDevice():
            there, loss_there = trained(switches, torch.device(NAME))
        assert abs(loss_here - loss_there) < 1e-6 * loss_here, switches
        for a, b in zip(here, there, strict=True):
            torch.testing.assert_close(b.here, a, rtol=1e-4, atol=1e-6, msg=str(switches))


def trained(switches, device):
    """Weights after three steps of two microbatches, and the last loss."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = MosaicBertConfig(vocab_size=70, **shape, hidden_dropout_prob=0.0, attention_backend="sdpa", **switches)
    model = MosaicBertForMaskedLM(config)
    batches = [a_batch(lengths) for lengths in ((7, 0, 13, 20), (64,))]
    model.to(device)
    optimizer = build_optimizer(model, OptimizerSettings(learning_rate=1e-3))
    settings = {"clip_norm": 1.0, "device": device, "precision": "fp32"}
    losses = [train_step(model, optimizer, batches, **settings).loss for _ in range(3)]
    assert losses[0] > losses[2]
    return [x.detach() for x in model.parameters()], losses[-1]


def a_batch(lengths):
    ids = torch.randint(5, 70, (sum(lengths),))
    index = torch.arange(0, len(ids), 5)
    labels = torch.full_like(ids, IGNORE).index_copy(0, index, ids[index])
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    return PackedBatch(ids, labels, cu_seqlens, max(lengths), index, torch.ones(len(index)))


def a_tensor_left_behind_is_refused():
    from second_device import SecondDevice, There

    with SecondDevice(), pytest.raises(RuntimeError, match="was given tensors of the CPU"):
        There(torch.ones(3)) + torch.ones(3)
    with SecondDevice(), pytest.raises((RuntimeError, TypeError)):
        There(torch.ones(3)).numpy()
