import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch.nn.attention import flex_attention

from genomask.data.fixed_shape import BatchShape, Expected, to_fixed_shape
from genomask.data.packing import to_batch
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM, backends
from genomask.encoders import flex as flex_backend
from genomask.errors import SettingsError
from genomask.training import compiling
from genomask.training.compiling import choose_compile, compile_model
from genomask.training.step import train_step
from genomask.types import IGNORE

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SHAPE = BatchShape.of(Expected(tokens=160, sequences=8, masked_fraction=0.3), longest=40, most_tokens=160)


@pytest.mark.parametrize(
    ("setting", "device", "backend", "compiled"),
    [
        ("auto", GPU, "flex", True),
        ("auto", GPU, "flash", True),
        ("auto", GPU, "sdpa", False),
        ("auto", CPU, "sdpa", False),
        ("off", GPU, "flex", False),
        ("on", GPU, "flex", True),
        ("on", CPU, "sdpa", True),
    ],
)
def test_auto_compiles_on_cuda_where_one_graph_serves_every_batch(setting, device, backend, compiled, monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
    assert choose_compile(setting, device, backend) is compiled


def test_a_model_that_cannot_be_compiled_is_refused_with_what_to_do(monkeypatch):
    with pytest.raises(SettingsError, match="attention_backend=flash or flex, or training"):
        choose_compile("on", GPU, "sdpa")
    assert not choose_compile("auto", GPU, "flex", unpadding=False)
    with pytest.raises(SettingsError, match="unpadding is false"):
        choose_compile("on", GPU, "flex", unpadding=False)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(SettingsError, match=r"no C\+\+ compiler is found"):
        choose_compile("on", CPU, "sdpa")


def test_compiling_asks_for_what_the_device_needs_and_keeps_the_weights(monkeypatch):
    told = {}
    monkeypatch.setattr(torch, "compile", lambda model, **options: told.update(options) or nn.Sequential(model))
    model = nn.Linear(2, 2)
    assert compile_model(model, GPU)[0] is model
    assert told == {"fullgraph": True, "dynamic": False}
    compile_model(model, CPU)
    assert told == {"fullgraph": False, "dynamic": True}


@pytest.fixture
def flex_on_cpu(monkeypatch):
    """`flex` as plain tensor operations, backward pass included, and allowed on the CPU."""
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)
    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    monkeypatch.setattr(flex_backend, "kernel", lambda: flex_attention.flex_attention)
    monkeypatch.delitem(backends.NEEDS, "flex")
    torch._dynamo.reset()
    counters.clear()


def tiny_model(**changes):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24} | changes
    return MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=20, hidden_dropout_prob=0.0, **sizes)).train()


def batch_of(seed, sequences=5):
    generator = torch.Generator().manual_seed(seed)
    cu_seqlens = torch.randint(5, 41, (sequences + 1,), generator=generator).cumsum(0).int()
    cu_seqlens -= cu_seqlens[0].clone()
    ids = torch.randint(5, 20, (int(cu_seqlens[-1]),), generator=generator)
    masked = torch.rand(len(ids), generator=generator) < 0.3
    return to_batch(ids, torch.where(masked, ids, IGNORE), cu_seqlens, torch.linspace(0.5, 2, sequences))


def gradients(model, batches):
    loss = sum(model(**batch._asdict(), reduction="sum").loss for batch in batches)
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters)
    return loss.item(), {name.removeprefix("_orig_mod."): x for name, x in zip(names, found, strict=True)}


@pytest.mark.usefixtures("flex_on_cpu")
@pytest.mark.parametrize(
    ("positions", "layers", "bf16"),
    [pytest.param("alibi", 1, True, marks=pytest.mark.processor), ("alibi-directed", 2, False), ("learned", 1, False)],
)
def test_one_graph_serves_every_batch_of_a_fixed_shape_and_keeps_loss_and_gradients(positions, layers, bf16):
    model = tiny_model(positions=positions, num_hidden_layers=layers, attention_backend="flex")
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend="eager")
    split = 0
    for seed in range(3):
        batch = batch_of(seed, sequences=3 + 4 * seed)
        fixed = to_fixed_shape(batch, SHAPE)
        split += len(fixed) > 1
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, wanted = gradients(model, [batch])
            same, found = gradients(compiled, fixed)
        tolerance = 2e-2 if bf16 else 1e-5
        assert same == pytest.approx(loss, rel=tolerance)
        for name in wanted:
            assert (found[name] - wanted[name]).abs().max() <= tolerance * wanted[name].abs().max() + 1e-6, name
    assert 0 < split < 3
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


@pytest.mark.usefixtures("flex_on_cpu")
def test_a_graph_that_counts_as_exported_is_compiled_all_the_same(monkeypatch):
    """As in PyTorch 2.11, which says so of every graph."""
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: torch.compiler.is_dynamo_compiling())
    model = tiny_model(num_hidden_layers=1, attention_backend="flex")
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend="eager")
    assert compiled(**to_fixed_shape(batch_of(0, sequences=3), SHAPE)[0]._asdict()).loss > 0


def test_on_the_cpu_a_compiled_model_takes_batches_of_any_size_without_recompiling():
    torch._dynamo.reset()
    model = tiny_model()
    compiled = torch.compile(model, dynamic=True, backend="eager")
    graphs = []
    for seed in range(3):
        counters.clear()
        batch = batch_of(seed, sequences=3 + seed)
        assert gradients(compiled, [batch])[0] == pytest.approx(gradients(model, [batch])[0], rel=1e-5)
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] > 0
    assert graphs[1:] == [0] * 2


def test_a_step_on_batches_of_a_fixed_shape_is_the_step_on_free_ones():
    batch = batch_of(1, sequences=12)
    fixed = to_fixed_shape(batch, SHAPE)
    assert len(fixed) > 1
    losses, models = [], (tiny_model(), tiny_model())
    for model, microbatches in zip(models, ([batch], fixed), strict=True):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        how = {"clip_norm": 0.0, "device": CPU, "precision": "fp32"}
        losses.append(train_step(model, optimizer, microbatches, **how).loss)
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
