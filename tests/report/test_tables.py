"""What the terminal shows."""

import pandas as pd
from rich.console import Console

from genomask.report.fewshot_tables import fewshot_table, verdict_table
from genomask.report.tables import is_numeric, rich_table


def printed(table, width=140) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_fewshot_table_prints_methods_accuracies_and_its_caption(summary):
    text = printed(fewshot_table(summary, "Mean over draws."))
    assert "82.4 ± 2.0" in text
    assert "random-init/probe" in text
    assert "Mean over draws." in text


def test_the_verdict_table_prints_every_arm(verdict, arms):
    text = printed(verdict_table(verdict, arms, "random-span", "probe"))
    assert "the control" in text
    assert "+1.3 [+0.4, +2.2], p 0.012, 3 seeds" in text
    assert "Verdict by probe" in text
    assert "not adjusted" in text


def test_no_word_of_the_verdict_is_cut_in_80_columns(verdict, arms):
    text = printed(verdict_table(verdict, arms, "random-span", "probe"), width=80)
    assert max(map(len, text.splitlines())) <= 80
    for whole in ("accuracy,", "above", "random-span", "+1.3 [+0.4, +2.2],", "hidden", " %  "):
        assert whole in text


def test_no_figure_is_cut_where_names_can_fold():
    figures = {"tokens": "1,216,361", "tokens/s": "16,305", "loss, nats": "5.532", "bits": "1.9988"}
    frame = pd.DataFrame([{"run": f"random-span-seed{seed}", "strategy": "random-span"} | figures for seed in range(2)])
    assert "loss, nats" in printed(rich_table(frame), width=80)
    text = printed(rich_table(frame), width=68)
    assert max(map(len, text.splitlines())) <= 68
    for whole in (*figures.values(), "tokens/s", "loss,", "strategy"):
        assert whole in text


def test_where_figures_do_not_fit_each_cell_is_a_line_and_no_figure_is_cut():
    figures = {"steps": "31,548", "tokens": "1,216,361", "tokens/s": "16,305", "loss, nats": "5.532", "bits": ""}
    figures |= {"points above it": "+7.0 [−4.3, +18.3]"}
    frame = pd.DataFrame([{"run": f"seed{seed}", "strategy": "random-span"} | figures for seed in range(2)])
    lines = printed(rich_table(frame, "Runs", "Scores: of held-out sequences."), width=40).splitlines()
    row = [f"{name}: {value}" for name, value in figures.items() if value]
    rows = [f"run: seed{seed}\nstrategy: random-span\n{chr(10).join(row)}" for seed in range(2)]
    assert "\n".join(line.rstrip() for line in lines) == "\n\n".join(["Runs", *rows, "Scores: of held-out sequences."])


def test_words_fold_at_spaces_before_an_interval_becomes_a_column_of_letters():
    row = {"strategy": "random-span", "method": "probe", "shots": 10, "accuracy, %": "60.7"}
    row |= {"best floor": "kmer-logreg 53.7", "points above it": "+7.0 [−4.3, +18.3]", "the floor is": "not beaten"}
    text = printed(rich_table(pd.DataFrame([row])), width=80)
    assert max(map(len, text.splitlines())) <= 80
    for whole in ("random-span", "accuracy,", "kmer-logreg", "[−4.3,", "+18.3]", "beaten"):
        assert whole in text
    narrow = printed(rich_table(pd.DataFrame([row])), width=60)
    assert max(map(len, narrow.splitlines())) <= 60
    assert "60.7" in narrow


def test_a_digest_folds_before_a_name_or_a_figure_is_lost():
    frame = pd.DataFrame({"file": ["genome.fa.gz"], "bytes": ["15,516"], "SHA-256": ["88" * 32]})
    text = printed(rich_table(frame), width=60)
    assert "genome.fa.gz" in text
    assert "15,516" in text


def test_numbers_are_aligned_right_and_words_left():
    frame = pd.DataFrame({"name": ["a", "b"], "value": ["1.5 ± 0.2", ""], "difference": ["−1.0", "+2.0"]})
    assert [is_numeric(frame[name]) for name in frame] == [False, True, True]
    assert [column.justify for column in rich_table(frame).columns] == ["left", "right", "right"]


def test_texts_are_never_read_as_markup():
    table = rich_table(pd.DataFrame({"[b]name": ["[red]a[/red]", "[/]"]}), title="[i]title", caption="[/x]")
    text = printed(table)
    for shown in ("[b]name", "[red]a[/red]", "[/]", "[i]title", "[/x]"):
        assert shown in text
