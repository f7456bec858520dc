"""Every picture with three long names and a short one: nothing runs over its edge, its panels keep their room."""

import numpy as np
import pandas as pd
import pytest
from masked_by_hand import sequence
from matplotlib.figure import Figure

from genomask.report.classifier_plots import answers, predictions
from genomask.report.mask_picture import mask_picture
from genomask.report.plots import fewshot_curves, learning_curves, verdict_forest
from genomask.report.run_curves import run_curves, with_seconds

CURRICULUM = "cm-step:first=(span:p=0.{}):second=(my_masks.py:first-half):at=2000"
NAMES = [CURRICULUM.format(1), CURRICULUM.format(2), "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 40 + "x" * 160, "a"]
LOSS, BITS = "loss_nats_per_masked_token", "eval_bits_per_hidden_base"
ROWS = [{"step": step, "tokens": 100 * step, "tokens_per_second": 50.0, LOSS: 3.0, BITS: 1.9} for step in (10, 20)]
BASELINES = {"ln_vocabulary_nats": 5.545, "flank_floor_nats": 2.2, "order_0_bits": 1.991}


def draw_losses(path):
    learning_curves({f"{name}/seed 0": pd.DataFrame(ROWS).drop(columns=BITS) for name in NAMES}, path)


def draw_learning(path):
    runs = {f"{name}/seed 0": pd.DataFrame(ROWS) for name in NAMES}
    learning_curves(runs, path, dict.fromkeys(runs, BASELINES))


def draw_runs(path):
    run_curves(dict.fromkeys(NAMES, with_seconds(ROWS)), dict.fromkeys(NAMES, "genemask"), path)


def draw_fewshot(path):
    columns = ["strategy", "pretraining_seed", "task", "shot", "method", "accuracy", "accuracy_half_width"]
    methods = ("finetune", "probe-layers")
    rows = [(name, 0, task, 10, method, 0.6, 0.1) for name in NAMES for task in NAMES[1:3] for method in methods]
    fewshot_curves(pd.DataFrame(rows, columns=columns), path)


def draw_forest(path):
    rows = [(name, 0.013, 0.009, 3, "2 seeds of the control left out", 0.012) for name in NAMES]
    verdict = pd.DataFrame(rows, columns=["strategy", "difference", "half_width", "n", "note", "p_holm"])
    verdict_forest(verdict[1:], {}, path, NAMES[0])


def draw_forest_of_the_short_one(path):
    columns = ["strategy", "difference", "half_width", "n", "note", "p_holm"]
    verdict_forest(pd.DataFrame([("a", 0.013, 0.009, 3, "", 0.012)], columns=columns), {}, path, NAMES[0])


def draw_masks(path):
    mask_picture(sequence("ACGT" * 30, 6, {name: {1, 2, 20} for name in NAMES}), path)


def draw_answers(path):
    answers(np.arange(4), np.eye(4), NAMES, path, "--valid", several=False)


def draw_predictions(path):
    predictions(np.arange(4), np.arange(4), NAMES[0], path, "--valid")


DRAWINGS = [draw_losses, draw_learning, draw_runs, draw_fewshot, draw_forest, draw_forest_of_the_short_one, draw_masks]
DRAWINGS += [draw_answers, draw_predictions]


@pytest.fixture
def figures(monkeypatch):
    """The figures that would have been saved, laid out."""
    laid_out = []

    def keep(figure, *_, **__):
        figure.draw_without_rendering()
        laid_out.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return laid_out


@pytest.mark.filterwarnings("ignore:Glyph")  # from the measuring below
@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__.removeprefix("draw_"))
def test_long_names_stay_in_the_picture_and_leave_its_panels_room(draw, figures, tmp_path):
    draw(tmp_path / "x.svg")
    (figure,) = figures
    (left, bottom), (right, top) = figure.get_tightbbox().get_points()  # of all that is drawn, in inches
    assert min(left, bottom) > -0.01
    assert right < figure.get_figwidth() + 0.01
    assert top < figure.get_figheight() + 0.01
    for axes in figure.axes:
        panel = axes.get_window_extent()
        assert not any(legend.get_window_extent().overlaps(panel) for legend in figure.legends)
        if axes.axison:
            assert panel.width > 1.4 * figure.dpi
