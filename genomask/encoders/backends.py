"""The table of attention backends, and the one place where the choice is made."""

import torch

from genomask.encoders.attention import Attention
from genomask.encoders.sdpa import sdpa
from genomask.errors import SettingsError

BACKENDS: dict[str, Attention] = {"sdpa": sdpa}


def choose_backend(name: str, device: torch.device) -> str:
    """Turn 'auto' into the backend that will run on `device`; SettingsError for one that cannot."""
    if name == "auto":
        return "sdpa"
    if name not in BACKENDS:
        raise SettingsError(
            f"attention_backend {name!r} is not available on {device.type}; use one of: auto, {', '.join(BACKENDS)}"
        )
    return name
