"""A data set's name in, its shards on the Hugging Face hub out, by split; they are streamed, never fetched whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import cast

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx

from genomask.data.corpus_formats import FORMATS, Shard
from genomask.errors import DataError
from genomask.files.inputs import C4, HUB

HUB_SECONDS = 10.0
"""How long the hub may take to answer at all."""
TRIES = 8
"""Attempts at a row, minutes in all, besides those that the hub's own client makes at each request."""


@dataclass(frozen=True)
class HubCorpus:
    """A data set on the hub."""

    name: str
    config: str | None = None

    @staticmethod
    def named(text: str) -> "HubCorpus | None":
        """`c4`, `hf:NAME` or `hf:NAME:CONFIG`; None for anything else, which is a path."""
        if text == C4:
            return HubCorpus("allenai/c4", "en")
        if not text.startswith(HUB):
            return None
        name, _, config = text.removeprefix(HUB).partition(":")
        return HubCorpus(name, config or None)

    def shards(self) -> dict[str, list[Shard]]:
        """The shards of each split, in the data set's order.

        Raises DataError if the hub cannot be reached or lacks the data set, or if a file is in none of FORMATS.
        """
        with self.errors():
            self._require_hub()
            from datasets import load_dataset_builder  # imported here: training on a genome needs no datasets

            try:
                files = load_dataset_builder(self.name, self.config).config.data_files or {}
            except (ValueError, RuntimeError) as error:  # the configuration is not there, or was not named
                reason = " ".join(str(error).split())
                raise DataError(f"{self.name}: {reason} Name one: --corpus {HUB}{self.name}:CONFIG.") from error
        for name in (name for names in files.values() for name in names):
            if not name.endswith(tuple(FORMATS)):
                raise DataError(
                    f"{self.name}: its file {name} ends in none of {', '.join(FORMATS)}. Give a data set in one of "
                    "these formats, or download this one, convert it, and give its folder."
                )
        return {str(split): [Shard(x, partial(_open, x), TRIES) for x in names] for split, names in files.items()}

    def _require_hub(self) -> None:
        """Fail within seconds: the hub's own client would retry for minutes."""
        try:
            HfApi().dataset_info(self.name, timeout=HUB_SECONDS)
        except HfHubHTTPError:  # an answer; what it means shows when the files are requested
            return

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the hub, or of the way to it, into a DataError."""
        try:
            yield
        except (OSError, httpx.HTTPError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataError(
                f"{self.name}: the stream cannot be read ({reason}). Check the name, the connection to "
                f"{HfApi().endpoint} (and HF_ENDPOINT and HF_HUB_OFFLINE), or download shards and give their folder as "
                "the corpus."
            ) from error


def _open(name: str) -> BufferedReader:
    from fsspec.core import url_to_fs

    files, path = url_to_fs(name)
    return BufferedReader(cast(BufferedReader, files.open(path, "rb")))
