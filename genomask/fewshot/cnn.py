"""The floor `cnn`: a small convolutional network, trained from scratch on the drawn sequences alone.

In: sequences. Out: probabilities. The network is that of Genomic Benchmarks (Gresova et al. 2023): three convolutions
of width 8 with 16, 8 and 4 filters, each with batch norm, ReLU and max pooling by 2, then a layer of 512. Bases enter
as one-hot columns: the original's vectors of 100 only add a linear map before the first convolution. Convolutions pad
the ends, so that short sequences pass, and all sequences are padded to the longest. Adam at rate 1e-3, batches of 32,
10 epochs, but at least MIN_STEPS steps: 10 epochs of 20 examples are only 10.

Letters: N sequences, L bases of the longest, C classes.
"""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genomask.data.bases import base_codes
from genomask.data.tasks import LabelledTask
from genomask.fewshot.draws import Scorer, draw_key
from genomask.training.device import choose_device

CHANNELS = (4, 16, 8, 4)
"""The bases, and the filters of each convolution."""
WIDTH, HIDDEN = 8, 512
RATE, EPOCHS, BATCH, MIN_STEPS = 1e-3, 10, 32, 200
SEQUENCES_AT_ONCE = 1024


def small_cnn(length: int, n_classes: int) -> nn.Module:
    """One-hot bases (N, 4, L) -> logits (N, C)."""
    steps: list[nn.Module] = []
    for before, filters in pairwise(CHANNELS):
        convolution = nn.Conv1d(before, filters, WIDTH, padding=WIDTH // 2)
        steps += [convolution, nn.BatchNorm1d(filters), nn.ReLU(), nn.MaxPool1d(2)]
        length = (length + 1) // 2
    dense = [nn.Flatten(), nn.Linear(filters * length, HIDDEN), nn.Linear(HIDDEN, n_classes)]
    return nn.Sequential(*steps, *dense)


def cnn_scorer(pool: LabelledTask, test: LabelledTask) -> Scorer:
    """`cnn`: trains on the drawn examples, returns probabilities for the test sequences."""
    length = max(len(sequence) for task in (pool, test) for sequence in task.sequences)
    device = choose_device("auto")

    def scorer(rows: np.ndarray, shot: int, draw: int) -> np.ndarray:
        bases = one_hot([pool.sequences[row] for row in rows], length).to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(draw_key(pool.name, shot, draw)[0]) & (2**63 - 1))
            model = small_cnn(length, len(pool.classes)).to(device)
            _train(model, bases, torch.from_numpy(pool.labels[rows]).to(device))
        return _probabilities(model.eval(), test.sequences, length, device)

    return scorer


def one_hot(sequences: list[str], length: int) -> Tensor:
    """(N, 4, L) float32: a 1 for each A C G T, zeros for other letters and beyond the end of a sequence."""
    codes = np.full((len(sequences), length), 4, dtype=np.uint8)
    lengths = np.array([len(sequence) for sequence in sequences])
    codes[np.arange(length) < lengths[:, None]] = base_codes("".join(sequences))
    return torch.from_numpy((codes[:, None, :] == np.arange(4)[:, None]).astype(np.float32))


def _train(model: nn.Module, bases: Tensor, labels: Tensor) -> None:
    """Train in place; an epoch's batches have nearly equal sizes, as batch norm cannot take a batch of one."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    n_batches = math.ceil(len(bases) / BATCH)
    for _ in range(max(EPOCHS, math.ceil(MIN_STEPS / n_batches))):
        for rows in torch.randperm(len(bases)).tensor_split(n_batches):
            optimizer.zero_grad()
            F.cross_entropy(model(bases[rows]), labels[rows]).backward()
            optimizer.step()


@torch.inference_mode()
def _probabilities(model: nn.Module, sequences: list[str], length: int, device: torch.device) -> np.ndarray:
    """(N, C) float64."""
    parts = [sequences[at : at + SEQUENCES_AT_ONCE] for at in range(0, len(sequences), SEQUENCES_AT_ONCE)]
    logits = torch.cat([model(one_hot(part, length).to(device)).cpu() for part in parts])
    probabilities: np.ndarray = logits.double().softmax(dim=1).numpy()
    return probabilities
