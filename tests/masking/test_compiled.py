"""What is compiled is kept on disk, found again, and forgotten once any file of the room changes."""

from genomask.masking import STRATEGIES, compiled
from genomask.masking.sequence import over_sequences


def compile_again(name):
    spec = STRATEGIES[name]
    signature = spec.machine_code.nopython_signatures[0]  # compiled and kept, if it was not before
    select = compiled.compiled(over_sequences(compiled.compiled(spec.mask)))
    select.compile(signature)
    return sum(select.stats.cache_hits.values())


def test_a_strategy_is_found_again_and_never_taken_for_another():
    assert compile_again("contiguous") == 1
    assert compile_again("uniform") == 1


def test_what_other_sources_were_compiled_to_is_not_taken(monkeypatch):
    assert compile_again("uniform") == 1
    monkeypatch.setattr(compiled, "SOURCES", "other")
    assert compile_again("uniform") == 0


def test_the_digest_changes_with_any_file_of_the_room(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.py").write_text("1")
    first = compiled.digest_of_sources(tmp_path)
    (tmp_path / "inner" / "a.py").write_text("2")
    second = compiled.digest_of_sources(tmp_path)
    (tmp_path / "b.py").write_text("")
    assert len({first, second, compiled.digest_of_sources(tmp_path)}) == 3
