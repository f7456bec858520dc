import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from genomask.commands.variants.ranking import Criterion, ranking
from genomask.data.vcf import Variant
from genomask.errors import SettingsError


def labels(text, info, alts=("A",), per_alt=False):
    return Criterion.parse(text).labels(Variant("1", 1, ".", "G", alts, info), per_alt)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0])), min_size=2, max_size=30))
def test_areas_are_scikit_learns_ties_included(rows):
    label, llr = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if label.any() and not label.all():
        found = ranking(label, llr)
        assert found.auroc == pytest.approx(roc_auc_score(label, -llr))
        assert found.auprc == pytest.approx(average_precision_score(label, -llr))
        assert found[:2] == (len(rows), label.sum())


def test_the_interval_covers_the_truth_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr("genomask.commands.variants.ranking.RESAMPLES", 100)
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(40):
        label = rng.random(80) < 0.4
        llr = rng.normal(size=80) - 1.0 * label
        low, high = ranking(label, llr, seed=trial).auroc_interval
        covered += low <= 0.7602 <= high  # the normal distribution's value at 1 / sqrt(2)
    assert covered >= 34


def test_the_same_scores_give_the_same_interval():
    label, llr = np.arange(50) % 3 == 0, np.sin(np.arange(50))
    assert ranking(label, llr) == ranking(label, llr)
    low, high = ranking(label, llr).auprc_interval
    assert 0 < low < high <= 1


def test_where_positives_are_rare_each_area_lies_in_an_interval_of_its_own():
    label = np.arange(400) % 20 == 0
    found = ranking(label, np.random.default_rng(0).normal(size=400) - 1.0 * label)
    assert found.auprc_interval[1] < found.auroc_interval[0]
    for area, (low, high) in ((found.auroc, found.auroc_interval), (found.auprc, found.auprc_interval)):
        assert low < area < high


@pytest.mark.parametrize(
    ("text", "info", "wanted"),
    [
        ("CLNSIG=Pathogenic,Likely_pathogenic", "A=1;CLNSIG=likely_pathogenic", True),
        ("CLNSIG=Pathogenic,Likely_pathogenic", "CLNSIG=benign", False),
        ("CLNSIG=Pathogenic,Likely_pathogenic", "CLNSIG=.", None),
        ("CLNSIG=Pathogenic,Likely_pathogenic", "AF=1", None),
        ("CLNSIG=pathogenic:benign,likely_benign", "CLNSIG=uncertain", None),
        ("CLNSIG=pathogenic:benign,likely_benign", "CLNSIG=Benign", False),
        ("CLNSIG=pathogenic", "CLNSIG=benign,pathogenic", True),
        ("CLNSIG=pathogenic:benign", "CLNSIG=benign,pathogenic", None),
        ("CLNSIG=Pathogenic,Likely_pathogenic", "CLNSIG=Pathogenic/Likely_pathogenic", True),
        ("CLNSIG=Pathogenic:Benign", "CLNSIG=Pathogenic|risk_factor", True),
        ("CLNSIG=Pathogenic:Benign", "CLNSIG=Benign/Likely_benign", False),
        ("CLNSIG=Pathogenic/Likely_pathogenic", "CLNSIG=Likely_pathogenic", True),
        ("AF<0.01", "AF=0.001", True),
        ("AF<0.01", "AF=0.01", False),
        ("AF < 1e-2", "AF=x", None),
        ("AF>0.05", "AF=0.06", True),
        ("AF>0.05", "AF=nan", None),
    ],
)
def test_a_criterion_labels_by_words_or_by_a_bound(text, info, wanted):
    assert labels(text, info) == [wanted]


def test_a_value_for_each_alt_labels_that_alt():
    assert labels("AF<0.01", "AF=0.001,0.5", ("A", "C")) == [True, False]
    assert labels("S=x", "S=x,y", ("A", "C"), per_alt=True) == [True, False]
    assert labels("S=x", "S=x,y", ("A", "C")) == [True, True]
    assert labels("S=x", "S=x", ("A", "C"), per_alt=True) == [None, None]
    assert labels("AF<0.01", "AF=0.001,0.5", (), per_alt=True) == []


@pytest.mark.parametrize(
    "text", ["CLNSIG", "=x", "AF<", "AF<x", "AF<nan", "S=", "S=,", "S=a:A", "S=:a", "AF<=0.1", "a b=1"]
)
def test_a_criterion_that_cannot_be_read_is_refused(text):
    with pytest.raises(SettingsError, match="--evaluate takes KEY=WORD,WORD"):
        Criterion.parse(text)
