"""Encoders of others in the few-shot harness, from folders as their authors publish them; no code of theirs is run."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import BertConfig, BertForMaskedLM, BertModel

from genomask.data import KmerTokenizer
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM, MosaicBertModel
from genomask.encoders.bridges import from_mosaicbert, to_mosaicbert
from genomask.errors import UserError
from genomask.fewshot.finetune import FineTuneSettings, new_classifier
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.run import run_fewshot
from genomask.inference.forward import forward
from genomask.inference.models import load
from genomask.inference.tokens import tokenise

pytestmark = pytest.mark.processor

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SEQUENCES = ["ACGTACGTAC", "TTTACG", "GGGCCCAAATTTACGT"]
SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]


@pytest.fixture(scope="module")
def dnabert(tmp_path_factory):
    """DNABERT's layout: config.json, an old pytorch_model.bin, a vocab.txt of 3-mers and a small tokenizer_config."""
    folder = tmp_path_factory.mktemp("dnabert")
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=69, max_position_embeddings=64, **SIZES))
    model.config.save_pretrained(folder)
    names = {name: x for name, x in model.state_dict().items() if name != "cls.predictions.decoder.bias"}
    torch.save(names, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    KmerTokenizer(k=3).save_vocabulary(folder)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "max_len": 512, "init_inputs": []}')
    return folder


@pytest.fixture(scope="module")
def dnabert2(tmp_path_factory, test_task):
    """DNABERT-2's layout: MosaicBERT's names, a config that names its own code, and a BPE in tokenizer.json."""
    folder = tmp_path_factory.mktemp("dnabert2")
    bpe = Tokenizer(BPE(unk_token="[UNK]"))
    trainer = BpeTrainer(vocab_size=40, special_tokens=SPECIAL, show_progress=False)
    bpe.train_from_iterator(test_task.sequences, trainer)
    bpe.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    bpe.save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast"} | {f"{x[1:-1].lower()}_token": x for x in SPECIAL}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    torch.manual_seed(0)
    config, state = to_mosaicbert(MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=40, **SIZES)))
    code = {"AutoConfig": "configuration_bert.BertConfig", "AutoModel": "bert_layers.BertModel"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": code}))
    (folder / "bert_layers.py").write_text("raise SystemExit('code of the folder was run')\n")
    (folder / "configuration_bert.py").write_text("raise SystemExit('code of the folder was run')\n")
    torch.save(state, folder / "pytorch_model.bin")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dnabert", "dnabert2"])
def test_the_harness_measures_others_by_fine_tuning_and_probe_and_their_twins(name, pool, test_task, request, tmp_path):
    folder = request.getfixturevalue(name)
    settings = FewShotSettings(
        shots=(4,),
        draws=2,
        methods=("finetune", "probe", "random-init"),
        finetune=FineTuneSettings(epochs=2),
    )
    own = {"strategy": "unknown", "pretraining_seed": -1, "out": tmp_path, "progress": lambda *_: None}
    rows = run_fewshot(folder, pool, test_task, settings, **own)
    assert set(rows.method) == {"finetune", "probe", "random-init/finetune", "random-init/probe"}
    assert rows.accuracy.between(0, 1).all()
    probe, untrained = (rows[rows.method == method].auroc.to_numpy() for method in ("probe", "random-init/probe"))
    assert not np.array_equal(probe, untrained)


def test_dnaberts_vectors_are_transformers_own_on_its_kmers(dnabert):
    model, tokenizer = load(dnabert)
    assert isinstance(tokenizer, KmerTokenizer)
    assert isinstance(model, BertModel)
    vectors = forward(model.eval(), tokenise(tokenizer, ["ACGTA"], "file").tokens)
    kmers = ["[CLS]", "ACG", "CGT", "GTA", "[SEP]"]
    lines = (dnabert / "vocab.txt").read_text().splitlines()
    own = BertForMaskedLM.from_pretrained(dnabert).bert(torch.tensor([[lines.index(kmer) for kmer in kmers]]))
    torch.testing.assert_close(vectors, own.last_hidden_state[0], rtol=1e-5, atol=1e-5)


def test_dnabert2_becomes_our_encoder_with_its_own_weights_and_tokens(dnabert2):
    model, tokenizer = load(dnabert2)
    assert isinstance(model, MosaicBertModel)
    assert not model.training
    plain = Tokenizer.from_file(str(dnabert2 / "tokenizer.json"))
    tokens = tokenise(tokenizer, SEQUENCES, "file").tokens
    assert tokens.input_ids.tolist() == [i for sequence in SEQUENCES for i in plain.encode(sequence).ids]
    state = torch.load(dnabert2 / "pytorch_model.bin", weights_only=True)
    bridged = from_mosaicbert(json.loads((dnabert2 / "config.json").read_text()), state)
    first = tokens.input_ids[: int(tokens.lengths[0])]
    expected = bridged.bert(input_ids=first[None]).last_hidden_state[0]
    torch.testing.assert_close(forward(model, tokens)[: len(first)], expected, rtol=1e-5, atol=1e-5)


def test_a_classifier_on_dnabert2_draws_its_head_from_the_seed_and_nothing_else(dnabert2):
    first, again, other = (new_classifier(dnabert2, "published", seed=seed, num_labels=3).model for seed in (1, 1, 2))
    states = [model.state_dict() for model in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    changed = {name for name in states[0] if not torch.equal(states[0][name], states[2][name])}
    assert changed == {"classifier.weight", "bert.pooler.dense.weight"}
    assert first.config.num_labels == 3
    assert first.dropout.p == 0.1


@pytest.mark.parametrize("name", ["dnabert", "dnabert2"])
def test_a_damaged_pickle_is_one_clear_error(name, request, tmp_path):
    folder = request.getfixturevalue(name)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match="the weights are damaged or cut short, or hold more than tensors") as problem:
        load(tmp_path)
    assert "\n" not in str(problem.value)
