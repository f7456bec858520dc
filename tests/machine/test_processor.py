from genomask.machine import processor


def test_the_processor_has_a_name_that_stays():
    assert processor.name()
    assert processor.name() == processor.name()


def test_where_the_system_keeps_no_list_it_is_asked_for_the_name(monkeypatch):
    monkeypatch.setattr(processor.Path, "exists", lambda _: False)
    monkeypatch.setattr(processor.platform, "processor", lambda: "")
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    assert processor.name() == "arm64"
