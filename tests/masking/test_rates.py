import json

import numpy as np
import pytest
import torch
from masking_tables import kmer_tokens, random_batch, text_tokens

from genomask.errors import SettingsError
from genomask.masking import (
    STRATEGIES,
    MaskView,
    NpmiTable,
    account,
    build_strategy,
    calibration,
    rates,
    register,
    simulation,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing remembered from before, nothing left behind."""
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(rates, "_in_memory", {})
    return tmp_path / "rates"


@pytest.fixture
def rough(monkeypatch):
    """A calibration of few sequences, for tests that do not look at its figures."""
    monkeypatch.setattr(simulation, "TOKENS_PER_LENGTH", 20_000)
    monkeypatch.setattr(simulation, "LENGTHS", (1, 20, 500))


@pytest.fixture
def quick(monkeypatch):
    """A calibration to about 1 %."""
    monkeypatch.setattr(simulation, "TOKENS_PER_LENGTH", 50_000)


def npmi_of(k, seed=0):
    counts = {k: np.random.default_rng(seed).integers(200, 5000, 4**k)}
    for n in range(k - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return NpmiTable.from_counts(counts)


def error(strategy, tokens, n_bases, n, rate, share="tokens_masked_fraction"):
    """Relative error of the realised share over n sequences, and its standard error."""
    ids, cu_seqlens, keys = random_batch(tokens, n, n_bases, seed=5, specials=False)
    spans = strategy.select(ids, cu_seqlens, keys)
    spread = (spans > 0).view(n, -1).double().mean(1).std() / rate / n**0.5
    return getattr(account(ids, ids, spans, cu_seqlens, tokens), share) / rate - 1, float(spread)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["uniform", "contiguous", "genemask"])
def test_the_asked_share_of_tokens_is_met_at_every_length(name):
    tokens = kmer_tokens(4)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_of(4))
    for n_bases, n in {8: 10_000, 20: 5000, 64: 2000, 510: 400}.items():
        off, se = error(strategy, tokens, n_bases, n, 0.15)
        assert abs(off) < 0.02 + 2.5 * se


@pytest.mark.usefixtures("quick")
def test_tokens_that_do_not_overlap_meet_the_rate_too():
    tokens = kmer_tokens(4, stride=4)
    strategy = build_strategy("random-span", tokens=tokens, mask_rate=0.15)
    off, se = error(strategy, tokens, 400, 3000, 0.15)
    assert abs(off) < 0.02 + 2.5 * se


@pytest.mark.usefixtures("quick")
def test_the_asked_share_of_bases_is_met_or_refused():
    tokens = kmer_tokens(3)
    strategy = build_strategy("contiguous", tokens=tokens, mask_rate=0.15, match="bases")
    off, se = error(strategy, tokens, 200, 4000, 0.15, "bases_hidden_fraction")
    assert abs(off) < 0.02 + 2.5 * se
    with pytest.raises(SettingsError, match="would mask more than 50% of the tokens"):
        build_strategy("uniform", tokens=kmer_tokens(6), mask_rate=0.15, match="bases")


def test_published_rates_are_constants():
    tokens = kmer_tokens(6)
    chances = {
        name: build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_of(6), match="none").chance_of_length
        for name in ("uniform", "contiguous", "genemask", "random-span")
    }
    expected = {"uniform": 0.15, "contiguous": 0.025, "genemask": 0.15 / 8.5, "random-span": 0.15 / 8.5}
    for name, chance in expected.items():
        assert chances[name].tolist() == pytest.approx([chance])


@pytest.mark.usefixtures("quick")
def test_a_strategy_of_ones_own_is_calibrated_on_dna_and_on_text():
    @register("pairs")
    def pairs(view: MaskView):
        drawn = view.token_is_drawn()
        return (drawn | drawn.roll(1) & (view.grid.position > 0)) & view.grid.maskable

    try:
        for tokens in (kmer_tokens(2), text_tokens()):
            strategy = build_strategy("pairs", tokens=tokens, mask_rate=0.2)
            ids = tokens.maskable.nonzero().squeeze(1)[torch.arange(200_000) % 16]
            spans = strategy.select(ids, torch.arange(0, 200_001, 100), torch.arange(2000))
            assert (spans > 0).double().mean() == pytest.approx(0.2, rel=0.02)
    finally:
        del STRATEGIES["pairs"]


@pytest.mark.usefixtures("rough")
def test_a_solution_is_kept_and_found_again(own_cache, monkeypatch):
    first = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    (file,) = own_cache.iterdir()
    assert json.loads(file.read_text())["request"]["strategy"] == "random-span"
    monkeypatch.setattr(calibration, "calibrate", lambda *_: pytest.fail("solved again"))
    again = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    rates._in_memory.clear()
    from_disk = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    assert first.chance_of_length.equal(again.chance_of_length)
    assert first.chance_of_length.equal(from_disk.chance_of_length)


@pytest.mark.usefixtures("rough")
def test_a_damaged_file_is_solved_anew(own_cache):
    first = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    (file,) = own_cache.iterdir()
    file.write_text(file.read_text()[:50])
    rates._in_memory.clear()
    again = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    assert first.chance_of_length.equal(again.chance_of_length)


@pytest.mark.usefixtures("rough")
def test_each_setting_and_table_has_its_own_solution(own_cache):
    for k, rate, match, seed in [(3, 0.2, "tokens", 0), (2, 0.2, "tokens", 0), (3, 0.1, "tokens", 0),
                                 (3, 0.1, "bases", 0), (3, 0.2, "tokens", 1)]:  # fmt: skip
        build_strategy("genemask", tokens=kmer_tokens(k), mask_rate=rate, npmi=npmi_of(k, seed), match=match)
    assert len(list(own_cache.iterdir())) == 5


@pytest.mark.usefixtures("rough")
def test_sequences_longer_than_the_table_take_its_last_chance():
    tokens = kmer_tokens(3)
    strategy = build_strategy("random-span", tokens=tokens, mask_rate=0.15)
    table = strategy.chance_of_length
    assert ((table > 0) & (table < 1)).all()
    long, longer = (random_batch(tokens, 1, n, specials=False) for n in (len(table) + 50, len(table) + 5000))
    for ids, cu_seqlens, keys in (long, longer):
        assert strategy.select(ids, cu_seqlens, keys).any()


@pytest.mark.usefixtures("rough")
def test_calibration_leaves_torch_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build_strategy("random-span", tokens=kmer_tokens(2), mask_rate=0.3)
    assert torch.rand(1).equal(expected)
