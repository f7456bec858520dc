"""Whether a run computes in bf16 or fp32: a setting, a device and an encoder in, one of the two out.

`auto` means: on a GPU, bf16 if it computes in it; on a CPU without units for bf16, fp32; on one with units, whichever
is faster for this encoder, tried for a second. Units alone do not decide it: casts and attention cost, too.
"""

import logging
import time
from functools import partial

import torch

from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.machine import processor
from genomask.training.device import scoring_precision
from genomask.training.made_batch import made_batch
from genomask.training.measured import measured_once
from genomask.training.step import loss_sum

PROBE_SECONDS = 1.0
PROBE_TOKENS = 1024
PROBE_LAYERS = 2
MASKED = 0.15
"""Fraction of the probe's tokens."""
LEAST_GAIN = 1.1
"""Least gain for which the coarser numbers are accepted."""
SHAPE = ("hidden_size", "num_attention_heads", "intermediate_size", "mlp", "positions", "stem_width", "stem_fraction",
         "vocab_size", "unpadding", "head_on_masked_only", "low_precision_layernorm")  # fmt: skip
"""The settings of an encoder that decide; layers are all alike."""

log = logging.getLogger(__name__)


def choose_precision(name: str, device: torch.device, config: MosaicBertConfig, longest: int) -> str:
    """Turn 'auto' into 'bf16' or 'fp32' for training this encoder on sequences of up to `longest` tokens."""
    if name != "auto":
        return name
    if device.type != "cpu" or not processor.multiplies_in_bf16():
        return scoring_precision(device)
    gain = bf16_gain(config, longest)
    chosen = "bf16" if gain >= LEAST_GAIN else "fp32"
    said = "precision %s: bf16 is %.2f times as fast as fp32 with this encoder here (used from %.1f times on)"
    log.info(said, chosen, gain, LEAST_GAIN)
    return chosen


def bf16_gain(config: MosaicBertConfig, longest: int) -> float:
    """Tokens a second in bf16 over those in fp32 on this CPU, measured once."""
    shape = [getattr(config, name) for name in SHAPE]
    return measured_once(partial(measure_gain, config, longest), "bf16", longest, shape)


def measure_gain(config: MosaicBertConfig, longest: int) -> float:
    """Least processor time of forward and backward in fp32 over that in bf16, in turns; first ones do not count."""
    tokens = -(-PROBE_TOKENS // longest) * longest
    batch = made_batch(config.vocab_size, tokens, longest, round(MASKED * tokens))
    seconds: dict[str, list[float]] = {"bf16": [], "fp32": []}
    layers = min(config.num_hidden_layers, PROBE_LAYERS)
    with torch.random.fork_rng(devices=[]):
        model = MosaicBertForMaskedLM(type(config)(**config.to_dict() | {"num_hidden_layers": layers})).train()
        until = time.perf_counter() + PROBE_SECONDS
        while len(seconds["fp32"]) < 2 or time.perf_counter() < until:
            for precision, times in seconds.items():
                began = time.process_time()  # less disturbed by other load on the machine
                loss_sum(model, batch, torch.device("cpu"), precision).backward()
                times.append(time.process_time() - began)
    return min(seconds["fp32"][1:]) / min(seconds["bf16"][1:])
