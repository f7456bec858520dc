from genomask.machine import processor


def test_the_processor_has_a_name_that_stays_the_same():
    assert processor.name()
    assert processor.name() == processor.name()


def test_without_proc_cpuinfo_the_platform_gives_the_name(monkeypatch):
    monkeypatch.setattr(processor.Path, "exists", lambda _: False)
    monkeypatch.setattr(processor.platform, "processor", lambda: "")
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    assert processor.name() == "arm64"
