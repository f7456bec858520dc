from genomask.masking.compiled_hash import forget_loops_of_other_sources


def test_kept_loops_are_forgotten_once_any_file_beside_them_has_changed(tmp_path):
    (tmp_path / "strategies" / "__pycache__").mkdir(parents=True)
    (tmp_path / "shared.py").write_text("1")
    (tmp_path / "strategies" / "one.py").write_text("1")
    kept = tmp_path / "strategies" / "__pycache__" / "one.loop.nbi"

    forget_loops_of_other_sources(tmp_path)
    kept.write_text("compiled")
    forget_loops_of_other_sources(tmp_path)
    assert kept.exists()
    (tmp_path / "shared.py").write_text("12")
    forget_loops_of_other_sources(tmp_path)
    assert not kept.exists()
    kept.write_text("compiled")
    forget_loops_of_other_sources(tmp_path)
    assert kept.exists()
    (tmp_path / "strategies" / "two.py").write_text("1")
    forget_loops_of_other_sources(tmp_path)
    assert not kept.exists()
