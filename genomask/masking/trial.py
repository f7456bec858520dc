"""Try a person's own strategy on a few sequences before it is used: a built strategy in, a refusal or nothing out."""

import torch

from genomask.errors import SettingsError
from genomask.masking.registry import Strategy
from genomask.masking.simulation import Simulation, of_even_bases
from genomask.types import TokenBases

N_SEQUENCES, N_TOKENS = 8, 40


def require_same_alone(name: str, strategy: Strategy, tokens: TokenBases) -> None:
    """Raises SettingsError where a sequence's mask is another alone than among others, or the second time."""
    batch: Simulation = next(of_even_bases(tokens, (N_TOKENS,), rate=1))
    ids, keys = batch.input_ids.view(-1, N_TOKENS)[:N_SEQUENCES], batch.keys[:N_SEQUENCES]
    together = strategy.select(ids.flatten(), batch.cu_seqlens[: N_SEQUENCES + 1], keys)
    alone = [strategy.select(ids[i], batch.cu_seqlens[:2], keys[i : i + 1]) for i in range(N_SEQUENCES)]
    if not torch.equal(together, torch.cat(alone)):
        raise SettingsError(
            f"masking strategy {name!r} masks a sequence otherwise alone than among others, or each time anew; take "
            "all random numbers from the view, and hide no base beyond a sequence's own."
        )
