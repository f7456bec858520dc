"""The table of methods: a row added to it is measured and distinguished, with nothing else changed."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from genomask.fewshot import methods
from genomask.fewshot.methods import ASKED, METHODS, PRETRAINED, TABLE, USUAL, WITHOUT_MODEL, Method, measured
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.run import run_fewshot


def test_the_words_asked_for_stand_for_the_right_methods():
    assert ASKED == ("finetune", "probe", "probe-layers", "knn", "kmer-logreg", "gc", "cnn", "random-init")
    assert USUAL == ("finetune", "probe", "probe-layers", "kmer-logreg", "random-init")
    assert PRETRAINED == ("finetune", "probe", "probe-layers", "knn")
    assert WITHOUT_MODEL == ("kmer-logreg", "gc", "cnn")
    assert [method.name for method in measured(USUAL)] == [
        "kmer-logreg", "probe", "random-init/probe", "probe-layers", "random-init/probe-layers",
        "finetune", "random-init/finetune",
    ]  # fmt: skip


def test_no_two_methods_share_a_name_a_cost_or_a_look():
    assert len(METHODS) == len({method.cost for method in TABLE}) == len(TABLE)
    assert len({(method.mark, method.needs_model, bool(method.twin_of)) for method in TABLE}) == len(TABLE)
    assert all(METHODS[method.twin_of].mark == method.mark for method in TABLE if method.twin_of)


def test_a_row_of_the_table_is_all_that_a_method_needs(model_folder, pool, test_task, tmp_path, monkeypatch):
    def majority(given, untrained):
        return lambda rows, shot, draw: np.tile(np.eye(2)[pool.labels[rows[0]]], (len(given.test.labels), 1))

    row = Method(name="majority", build=majority, cost=-1, mark=("x", "-"), needs_model=False)
    monkeypatch.setattr(methods, "TABLE", (*TABLE, row))
    monkeypatch.setitem(METHODS, "majority", row)
    monkeypatch.setattr("genomask.fewshot.protocol.ASKED", (*ASKED, "majority"))
    settings = FewShotSettings(shots=(3,), draws=2, methods=("kmer-logreg", "majority"))
    own = {"strategy": "unknown", "pretraining_seed": -1, "out": tmp_path, "progress": lambda *_: None}
    rows = run_fewshot(model_folder, pool, test_task, settings, **own)
    assert rows["method"].tolist() == ["majority", "majority", "kmer-logreg", "kmer-logreg"]
    assert rows["model"].tolist() == ["none"] * 4
    assert (rows["accuracy"][:2] == 0.5).all()


def test_the_table_loads_nothing_heavy():
    code = "import sys, genomask.fewshot.methods; print(sorted({'torch', 'numpy', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_of_methods_are_distinguished_only_in_the_table():
    package = Path(methods.__file__).parents[1]
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    for path, text in sources.items():
        assert 'startswith("random-init' not in text, path
        assert '"kmer-logreg"' not in text or path.name in ("methods.py", "demo.py"), path
