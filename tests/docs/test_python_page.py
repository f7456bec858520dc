"""docs/python.md is true: its blocks, one after the other as in a notebook, run and print what they show."""

import contextlib
import io
import random
from pathlib import Path

from walks import FENCE

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_blocks_run_in_order_and_print_what_stands_under_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("genome.fa").write_text(f">a\n{''.join(random.Random(0).choices('ACGT', k=8_000))}\n")
    names, said, shown = {}, "", []
    for language, _, text in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        if language == "python" and "Trainer(" not in text:  # that one is run by tests/masking/test_collator.py
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(text, str(PAGE), "exec"), names)
            said = output.getvalue()
        elif language == "text":
            assert said == text
            shown.append(text)
    assert len(shown) >= 3
    assert 0.1 < names["masks"].tokens_masked_fraction < 0.2
    assert 2 < names["loss"].item() < 7
