"""Fixtures that several rooms share."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def keep_compiled_loops_by_their_sources() -> None:
    """Numba keeps a loop on disk as long as its own file is the same; here also those of the functions it calls."""
    sources = hashlib.sha256(b"".join(path.read_bytes() for path in sorted((ROOT / "genomask").rglob("*.py"))))
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / f"numba-{sources.hexdigest()[:16]}"))


keep_compiled_loops_by_their_sources()  # before anything imports numba


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor fill the cache of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOMASK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real genomes, tasks and text that lies beside a development checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium found: apt install chromium")
    return found
