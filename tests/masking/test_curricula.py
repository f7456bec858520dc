import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from masking_tables import bpe_tokens, kmer_tokens, made_up_npmi, random_batch, runs_of, sequences_of, text_tokens

from genomask.errors import SettingsError
from genomask.masking import account, build_plan, build_strategy
from genomask.masking.curricula import has_stopped_falling
from genomask.masking.plan import needs_npmi

STEPS = 100


def plan_of(name, rate=0.15, steps=STEPS, match="none"):
    return build_plan(name, steps=steps, tokens=kmer_tokens(4), mask_rate=rate, npmi=made_up_npmi(4), match=match)


def fractions(plan, switched_at=None):
    return [plan.phase_of(step, switched_at).fraction for step in range(STEPS)]


def test_a_plain_strategy_is_the_same_at_every_step():
    plan = plan_of("span:p=0.3")
    assert not plan.changes
    assert plan.at(0) is plan.at(STEPS - 1) is plan.at(3, switched_at=1)
    assert plan.at(0).parameters == {"p": 0.3, "longest": 10}
    assert not plan.wants_to_switch([1.0] * 50)


def test_a_plain_strategy_is_planned_without_visiting_every_step():
    assert not build_plan("uniform", steps=10**15, tokens=kmer_tokens(4), mask_rate=0.15).changes


def test_cm_step_switches_at_its_step():
    plan = plan_of("cm-step:at=40")
    assert fractions(plan) == [0.0] * 40 + [1.0] * 60
    assert plan.at(39).spec.name == "genemask"
    assert plan.at(40).spec.name == "npmi-global"
    assert not plan.wants_to_switch([1.0] * 50)


def test_cm_gems_switches_at_the_step_it_is_given():
    plan = plan_of("cm-gems:first=uniform:second=span")
    assert fractions(plan) == [0.0] * STEPS
    assert fractions(plan, switched_at=70) == [0.0] * 70 + [1.0] * 30
    assert (plan.at(69, 70).spec.name, plan.at(70, 70).spec.name) == ("uniform", "span")


def test_the_strategies_of_a_curriculum_may_have_parameters_and_come_from_a_file(tmp_path):
    file = tmp_path / "my_masks.py"
    file.write_text(
        "from genomask.masking import strategy\n\n"
        "@strategy('mine')\ndef mine(sequence, n: int = 2):\n    sequence.masked[::n] = True\n"
    )
    name = f"cm-step:first=(span:p=0.3:longest=4):second=({file}:mine:n=5):at=40"
    plan = plan_of(name)
    assert plan.at(39).parameters == {"p": 0.3, "longest": 4}
    assert (plan.at(40).spec.name, plan.at(40).parameters) == ("mine", {"n": 5})
    assert not needs_npmi(name)
    assert needs_npmi(f"linear-mix:first=({file}:mine):second=(genemask:npmi=shuffled)")


def test_linear_mix_goes_from_none_to_all():
    plan = plan_of("linear-mix:first=uniform:second=contiguous")
    assert fractions(plan) == pytest.approx(np.linspace(0, 1, STEPS))
    assert (plan.at(0).spec.name, plan.at(STEPS - 1).spec.name) == ("uniform", "contiguous")


def test_a_mixed_step_masks_each_sequence_by_one_of_the_two():
    plan = plan_of("linear-mix:first=uniform:second=contiguous", rate=0.4)
    tokens = kmer_tokens(4)
    ids, cu_seqlens, keys = random_batch(tokens, 2000, 40)
    first, second, mixed = (
        sequences_of(plan.at(step).select(ids, cu_seqlens, keys), cu_seqlens) for step in (0, STEPS - 1, 25)
    )
    by_second = [m.equal(b) for m, b in zip(mixed, second, strict=True)]
    assert all(m.equal(a) or b for m, a, b in zip(mixed, first, by_second, strict=True))
    assert np.mean(by_second) == pytest.approx(25 / 99, abs=0.03)
    last_alone = plan.at(25).select(ids[cu_seqlens[-2] :], torch.tensor([0, len(mixed[-1])]), keys[-1:])
    assert last_alone.equal(mixed[-1])


def test_a_mixed_step_ignores_padded_bounds():
    plan = plan_of("linear-mix:first=uniform:second=contiguous")
    ids, cu_seqlens, keys = random_batch(kmer_tokens(4), 20, 40)
    padded = torch.cat([cu_seqlens, cu_seqlens[-1:].repeat(3)])
    assert plan.at(50).select(ids, padded, keys).equal(plan.at(50).select(ids, cu_seqlens, keys))


def test_rate_step_raises_the_rate():
    plan = plan_of("rate-step:strategy=uniform:at=30", match="tokens")
    assert [plan.phase_of(step, None).mask_rate for step in (0, 29, 30, 99)] == [0.15, 0.15, 0.20, 0.20]
    tokens = kmer_tokens(4)
    ids, cu_seqlens, keys = random_batch(tokens, 500, 400)
    for step, rate in ((29, 0.15), (30, 0.20)):
        seen = account(ids, ids, plan.at(step).select(ids, cu_seqlens, keys), cu_seqlens, tokens)
        assert seen.tokens_masked_fraction == pytest.approx(rate, abs=0.005)


def test_random_mask_widens_its_runs_phase_by_phase_at_one_rate():
    plan = plan_of("random-mask", match="tokens")
    assert [step for step in range(1, STEPS) if plan.at(step) is not plan.at(step - 1)] == [20, 40, 60, 80]
    ids, cu_seqlens, keys = random_batch(kmer_tokens(4), 300, 400, specials=False)
    for step in (0, 20, 99):
        spans = plan.at(step).select(ids, cu_seqlens, keys)
        assert (spans > 0).float().mean() == pytest.approx(0.15, abs=0.005)
    ids, cu_seqlens, keys = random_batch(kmer_tokens(4), 1500, 400, specials=False)
    sparse = plan_of("random-mask", rate=0.01).at(99).select(ids, cu_seqlens, keys)  # where runs hardly ever meet
    widths = [last + 1 - first for row in sequences_of(sparse, cu_seqlens) for first, last in runs_of(row)]
    counts = np.bincount(widths, minlength=13)[:13]
    assert counts[:4].sum() < 0.05 * len(widths)  # only at the ends
    assert counts[4:13] == pytest.approx([len(widths) / 9] * 9, rel=0.4)


def test_scores_have_stopped_falling_when_none_of_the_last_is_well_below_the_best_before():
    falling = [1.99, 1.98, 1.97, 1.96]
    assert not has_stopped_falling(falling, patience=2, least=0.001)
    assert not has_stopped_falling([*falling, 1.96], 2, 0.001)
    assert has_stopped_falling([*falling, 1.96, 1.9595], 2, 0.001)
    assert not has_stopped_falling([*falling, 1.96, 1.9595], 2, 0.0001)
    assert not has_stopped_falling([*falling, 1.97, 1.95], 2, 0.001)
    assert not has_stopped_falling([], 1, 0.0)
    assert not has_stopped_falling([1.9, 1.9], 2, 0.0)


@given(scores=st.lists(st.floats(0, 2), max_size=12), patience=st.integers(1, 4))
def test_the_switch_agrees_with_its_definition(scores, patience):
    stopped = len(scores) > patience and all(
        last > before - 0.01 for last, before in itertools.product(scores[-patience:], [min(scores[:-patience])])
    )
    assert has_stopped_falling(scores, patience, 0.01) == stopped


def test_all_that_a_run_may_need_is_built_before_it_starts():
    assert set(plan_of("cm-gems").strategies) == {("genemask", 0.15), ("npmi-global", 0.15)}
    assert set(plan_of("rate-step:at=5:strategy=span").strategies) == {("span", 0.15), ("span", 0.2)}
    with pytest.raises(SettingsError, match="pass sample="):  # of npmi-global, which comes in the second half
        plan_of("cm-step:at=50:first=uniform", match="tokens")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "cm-step",
            "cm-step would change at step 5000, but the run has 100 steps; give another step, such as cm-step:at=50",
        ),
        ("cm-step:at=0", "would change at step 0"),
        ("rate-step:at=100", "would change at step 100"),
        ("rate-step:at=5:then=1.2", "`then` must lie between 0 and 1"),
        ("cm-gems:patience=0", "patience must be at least 1"),
        ("cm-gems:least=nan", "least must be a number of bits, 0 or more, got nan"),
        ("cm-gems:least=-5", "least must be a number of bits, 0 or more, got -5.0"),
        ("cm-gems:least=inf", "least must be a number of bits, 0 or more, got inf"),
        ("cm-step:second=genemask:at=5", "cm-step would go from genemask to genemask, which changes nothing"),
        ("cm-gems:first=magic", "unknown masking strategy 'magic'"),
        ("random-mask:phases=1", "phases must lie between 2 and the run's 100 steps, got 1"),
        ("random-mask:wider=0", "wider must be at least 1 token, got 0"),
        ("linear-mix:second=cm-gems", "'cm-gems' is a curriculum"),
    ],
)
def test_a_curriculum_that_cannot_be_followed_is_refused(name, message):
    with pytest.raises(SettingsError, match=message):
        plan_of(name)


def test_a_mix_over_a_single_step_is_refused():
    with pytest.raises(SettingsError, match="needs a run of at least 2 steps; this one has 1"):
        plan_of("linear-mix:first=uniform:second=contiguous", steps=1)


@pytest.mark.parametrize("tokens", [text_tokens(), bpe_tokens()])
def test_a_curriculum_that_waits_needs_a_score_to_wait_for(tokens):
    with pytest.raises(SettingsError, match="waits for the bits per hidden base"):
        build_plan("cm-gems:first=uniform:second=span", steps=9, tokens=tokens, mask_rate=0.15, match="none")
    plan = build_plan("rate-step:strategy=uniform:then=0.3:at=5", steps=9, tokens=tokens, mask_rate=0.15)
    assert set(plan.strategies) == {("uniform", 0.15), ("uniform", 0.3)}


def test_needs_npmi_knows_which_names_look_at_the_npmi():
    names = ["uniform", "genemask", "cm-gems", "cm-step:first=span:second=contiguous", "rate-step", "linear-mix"]
    assert [needs_npmi(name) for name in names] == [False, True, True, False, True, True]


def test_a_plan_masks_as_its_strategy_does():
    tokens = kmer_tokens(4)
    ids, cu_seqlens, keys = random_batch(tokens, 20, 100)
    alone = build_strategy("contiguous", tokens=tokens, mask_rate=0.15, match="none")
    assert plan_of("contiguous").at(7).select(ids, cu_seqlens, keys).equal(alone.select(ids, cu_seqlens, keys))
