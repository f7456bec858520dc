"""Where what is costly to make is kept between runs: genomes, tokenised text, calibrated mask rates."""

import os
from pathlib import Path


def default_cache() -> Path:
    """$GENOMASK_CACHE, or ~/.cache/genomask."""
    return Path(os.environ.get("GENOMASK_CACHE") or Path.home() / ".cache" / "genomask")
