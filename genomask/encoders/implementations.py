"""transformers' names for attention (`attn_implementation`) and the backends they mean here."""

import torch

from genomask.encoders.attention import Attention
from genomask.encoders.backends import BACKENDS, choose_backend
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.eager import eager
from genomask.errors import SettingsError

EAGER = "eager"
BACKEND_OF = {"sdpa": "sdpa", "flash_attention_2": "flash", "flex_attention": "flex"}


class Unasked(str):
    """transformers' default name, where nobody asked for one: config.attention_backend decides."""


class UnknownAttentionError(SettingsError, ValueError):
    """A name of transformers that means nothing here; transformers promises a ValueError."""


def checked(name: str | None) -> str:
    """The name to keep in the config.

    Raises UnknownAttentionError for one without a backend, SettingsError if the backend cannot run on this machine.
    """
    if name is None or isinstance(name, Unasked):
        return name or Unasked("sdpa")
    if name == EAGER:
        return name
    if name not in BACKEND_OF:
        raise UnknownAttentionError(
            f'Specified `attn_implementation="{name}"` is not supported; use {EAGER}, {", ".join(BACKEND_OF)}, or '
            "leave it out and set attention_backend in the config"
        )
    choose_backend(BACKEND_OF[name], torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return name


def attention_of(config: MosaicBertConfig, device: torch.device, dtype: torch.dtype) -> Attention:
    """The attention asked for by transformers' name, else by config.attention_backend."""
    name = config._attn_implementation
    if name == EAGER:
        return eager
    asked = config.attention_backend if name is None or isinstance(name, Unasked) else BACKEND_OF[name]
    return BACKENDS[choose_backend(asked, device, dtype)]
