"""Fixtures of several rooms, and stand-in answers about the processor.

torch and the rooms are imported within the fixtures: pytest-xdist's first process reads this file and runs no test.
"""

import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import pytest

BF16_UNITS = {"yes": True, "no": False}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bf16-units",
        choices=BF16_UNITS,
        help="run as if the processor had units for bf16, or had none (processes that a test starts ask the processor)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imported objects stay: searching them for garbage takes a fifth of the import time, and goes on afterwards."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


def _answer(patch: pytest.MonkeyPatch, has_units: bool) -> None:
    patch.setattr("genomask.machine.processor.multiplies_in_bf16", lambda: has_units)


@pytest.fixture(scope="session", autouse=True)
def processor_as_asked(request: pytest.FixtureRequest) -> Iterator[None]:
    """The answer of --bf16-units, if it is given."""
    with pytest.MonkeyPatch.context() as patch:
        if answer := request.config.getoption("--bf16-units"):
            _answer(patch, BF16_UNITS[answer])
        yield


@pytest.fixture
def bf16_units(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Call it with True or False to answer, for the rest of the test, whether the processor has units for bf16."""
    return partial(_answer, monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_timed() -> Iterator[None]:
    """This machine's speed is measured on products that take no time; bf16 counts as faster where it has units."""
    from genomask.machine import matmul

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(matmul.SIZES, "cpu", (64,))
        patch.setattr("genomask.training.precision.bf16_gain", lambda *_: 2.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor fill the cache of the person who runs them.

    The processes of one run use one cache, as do several runs of the same code if TESTS_CACHE names it.
    """
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOMASK_CACHE", os.environ.get("TESTS_CACHE", str(shared / "cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def rates_to_a_percent() -> Iterator[int]:
    """Mask rates are solved on a sixth of the sequences, to about 1 %; yields how many tokens users solve them on."""
    from genomask.masking.rates import simulation

    in_full = simulation.TOKENS_PER_LENGTH
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "TOKENS_PER_LENGTH", 50_000)
        yield in_full


@pytest.fixture
def rates_in_full(monkeypatch: pytest.MonkeyPatch, rates_to_a_percent: int) -> None:
    """Mask rates are solved on as many sequences as for users, as those of the known masks are."""
    monkeypatch.setattr("genomask.masking.rates.simulation.TOKENS_PER_LENGTH", rates_to_a_percent)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real genomes, tasks and text that lies beside a development checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}")
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """Two layers of width 32 over 3-mers, in Hugging Face layout."""
    import torch

    from genomask.data import KmerTokenizer
    from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM

    folder = tmp_path_factory.mktemp("model")
    tokenizer = KmerTokenizer(k=3)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = MosaicBertConfig(vocab_size=tokenizer.vocab_size, hidden_dropout_prob=0.0, **sizes)
    MosaicBertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def text_model_folder(tmp_path_factory) -> Path:
    """One layer of width 16 over word pieces of a few sentences, in Hugging Face layout."""
    import torch

    from genomask.data.tokenizers.wordpiece import train_wordpiece, wordpiece_tokenizer
    from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM

    folder = tmp_path_factory.mktemp("text-model")
    words = "good bad fine poor film book day the a was very not it is they say so what ?"
    tokenizer = wordpiece_tokenizer(train_wordpiece([words] * 20, 256, folder / "words.txt"))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = MosaicBertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes)
    MosaicBertForMaskedLM(config).save_pretrained(folder / "model")
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium found: apt install chromium")
    return found
