"""How many tokens pass through the encoder at once if a recipe leaves it open: a model and a device in, tokens out.

On a GPU, the largest of a few sizes at which one microbatch can be trained on, tried before the first step.
"""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from genomask.data.fixed_shape import masked_room
from genomask.encoders import MosaicBertForMaskedLM
from genomask.errors import SettingsError
from genomask.training import distributed
from genomask.training.batches import Batches
from genomask.training.environment import device_name, first_microbatch
from genomask.training.made_batch import made_batch
from genomask.training.step import loss_sum

ON_CPU = 16_384
MOST = 131_072
"""No recipe takes more; with more tokens at once a fuller step is cut less evenly."""
SPARE_FRACTION = 0.1
"""Fraction of a GPU's memory left for fragmentation and for the libraries that reduce gradients."""
MOMENT_BYTES = 8
"""AdamW's moments of one parameter; they are made after the first step."""

log = logging.getLogger(__name__)


def tokens_at_once(how: Batches, trial: "Trial", out: Path) -> int:
    """Tokens of a microbatch, the same in all processes, if `how` leaves them open.

    A run resumed in `out`, on the same kind of device and with as many processes, keeps what it began with. Raises
    SettingsError if not even one sequence fits.
    """
    device = trial.device
    if device.type == "cpu":
        return max(ON_CPU, trial.longest)
    if kept := distributed.from_main(partial(first_microbatch, out, device_name(device))):
        log.info("microbatches of up to %s tokens, as at the start of this run", f"{kept:,}")
        return kept
    of_step = -(-how.sequences_per_step // distributed.size()) * trial.longest
    memory = torch.cuda.get_device_properties(device).total_memory
    found = agreed(trial.largest(min(MOST, of_step), int(SPARE_FRACTION * memory)))
    torch.cuda.reset_peak_memory_stats(device)  # the trial's peak is not the run's
    log.info("microbatches of up to %s tokens, the largest tried that fits on %s", f"{found:,}", device_name(device))
    return found


def agreed(here: int) -> int:
    """The smallest of all processes' sizes: if all cut alike, none waits for another."""
    return -distributed.largest(-here)


class Trial(NamedTuple):
    """A trial of training on one microbatch. A compiled model, which keeps less, is tried before it is compiled."""

    model: MosaicBertForMaskedLM
    device: torch.device
    precision: str
    longest: int
    """Tokens of the longest sequence; all in the trial are that long."""
    fraction: float
    """Fraction of tokens that are masked."""

    def largest(self, most: int, spared: int) -> int:
        """The first of `most` and its halves, down to one sequence, that leaves `spared` bytes of the device free.

        Leaves the model on the device, without gradients. Raises SettingsError if none does.
        """
        self.model.train().to(self.device)
        spared += MOMENT_BYTES * self.model.num_parameters()
        for tokens in halves(most, self.longest):
            has_room = self.fits(tokens, spared)
            self.model.zero_grad()
            torch.cuda.empty_cache()
            if has_room:
                return tokens
        raise SettingsError(
            f"training on one sequence of {self.longest} tokens does not fit in the memory of "
            f"{device_name(self.device)}; choose smaller sizes in [encoder], shorter sequences (max_tokens), or "
            "training.device=cpu."
        )

    def fits(self, tokens: int, spared: int) -> bool:
        """Whether forward and backward succeed while `spared` bytes are held."""
        masked = min(tokens, masked_room(tokens, self.longest, self.fraction))
        batch = made_batch(self.model.config.vocab_size, tokens, self.longest, masked)
        try:
            _held = torch.empty(spared, dtype=torch.uint8, device=self.device)
            loss_sum(self.model, batch.to(self.device), self.device, self.precision).backward()
        except torch.OutOfMemoryError:
            return False
        return True


def halves(most: int, least: int) -> Iterator[int]:
    """`most`, its half and so on, and at last `least`."""
    while most > least:
        yield most
        most //= 2
    yield least
