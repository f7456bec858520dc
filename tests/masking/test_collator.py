"""The collator for transformers' Trainer: what it masks, how it pads, and the example of the docs."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, set_seed

from genomask.data import KmerTokenizer
from genomask.data.tokenizers.base import SPECIAL_NAMES, SPECIAL_TOKENS
from genomask.data.tokenizers.bpe import BpeTokenizer, learn_rules
from genomask.data.tokenizers.wordpiece import wordpiece_tokenizer
from genomask.errors import SettingsError
from genomask.masking import build_strategy
from genomask.masking.collator import DataCollatorForBaseMasking

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
TOKENIZER = KmerTokenizer(k=3)


def dna(length, seed):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


FEATURES = [TOKENIZER(dna(length, seed)) for seed, length in enumerate([40, 7, 90, 3])]


@pytest.mark.parametrize("side", ["right", "left"])
def test_masked_tokens_are_the_labels_and_padding_has_none(side):
    set_seed(0)
    tokenizer = KmerTokenizer(k=3, padding_side=side)
    batch = DataCollatorForBaseMasking(tokenizer, mask_rate=0.4)(FEATURES)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert {tuple(x.shape) for x in batch.values()} == {(4, 90)}
    real, counted = batch["attention_mask"].bool(), batch["labels"] != -100
    restored = torch.where(counted, batch["labels"], batch["input_ids"])
    for row, mask, feature in zip(restored, real, FEATURES, strict=True):
        assert row[mask].tolist() == feature["input_ids"]
    assert not counted[~real].any()
    assert (batch["input_ids"][~real] == tokenizer.pad_token_id).all()
    assert 0.2 < counted[real].float().mean() < 0.6


def test_a_rate_of_one_masks_every_kmer_and_of_zero_none():
    for rate, fraction in ((1.0, 1), (0.0, 0)):
        batch = DataCollatorForBaseMasking(TOKENIZER, "contiguous", mask_rate=rate)(FEATURES)
        kmers = batch["attention_mask"].sum() - 2 * len(FEATURES)
        assert (batch["labels"] != -100).sum() == fraction * kmers


def test_masks_are_new_each_time_and_repeat_with_the_seed_of_torch():
    collator = DataCollatorForBaseMasking(TOKENIZER, mask_rate=0.4)
    set_seed(3)
    first, second = collator(FEATURES)["labels"], collator(FEATURES)["labels"]
    set_seed(3)
    assert torch.equal(collator(FEATURES)["labels"], first)
    assert not torch.equal(first, second)


def test_words_of_unequal_length_are_masked_as_the_dna_they_are():
    """By bases: every word over a hidden base is masked, so longer words more often, and the rate is still met."""
    named = dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True))
    tokenizer = BpeTokenizer(tokenizer_object=learn_rules([dna(2_000, 0)], 32), **named)
    sample = tokenizer(dna(6_000, 1))["input_ids"]
    with pytest.raises(
        SettingsError, match=r"pass sample=.* to build_strategy.*; a collator takes the strategy that it returns"
    ):
        DataCollatorForBaseMasking(tokenizer)([tokenizer(dna(60, 2))])
    tokens = DataCollatorForBaseMasking(tokenizer).tokens
    windows = torch.tensor(sample), torch.tensor([0, len(sample)])
    for strategy in ("uniform", build_strategy("random-span", tokens=tokens, mask_rate=0.3, sample=windows)):
        set_seed(0)
        batch = DataCollatorForBaseMasking(tokenizer, strategy, mask_rate=0.3)([{"input_ids": sample}] * 20)
        masked = batch["labels"] != -100
        assert masked.float().mean() == pytest.approx(0.3, rel=0.1)
        assert (batch["labels"] == torch.tensor(sample))[masked].all()
        assert not masked[:, [0, -1]].any()
    n_bases = tokens.n_bases[torch.tensor(sample)]
    longer, shorter = (masked[:, n_bases == n].float().mean() for n in (n_bases.max(), 1))
    assert longer > shorter + 0.1
    assert tokens.of_bases


def test_padding_already_in_the_encodings_is_removed_first():
    padded = TOKENIZER([dna(40, 0), dna(7, 1)], padding="max_length", max_length=60)
    rows = [{name: x[i] for name, x in padded.items()} for i in range(2)]
    set_seed(1)
    ours = DataCollatorForBaseMasking(TOKENIZER, mask_rate=0.4, pad_to_multiple_of=8)(rows)
    set_seed(1)
    plain = DataCollatorForBaseMasking(TOKENIZER, mask_rate=0.4, pad_to_multiple_of=8)(FEATURES[:2])
    assert ours["labels"].shape == (2, 40)
    assert all(torch.equal(ours[name], plain[name]) for name in plain)


def test_a_built_strategy_is_used_as_it_is():
    built = build_strategy("fixed-span", tokens=TOKENIZER.token_bases, mask_rate=1.0)
    assert DataCollatorForBaseMasking(TOKENIZER, built).built is built
    with pytest.raises(SettingsError, match="needs an NPMI table"):
        DataCollatorForBaseMasking(TOKENIZER, "genemask")(FEATURES)


def sent(collator):
    """The collator as a freshly started process gets it, such as a DataLoader worker that is not forked."""
    return pickle.loads(pickle.dumps(collator))  # noqa: S301  (our own)


@pytest.mark.parametrize("strategy", ["contiguous", "random-span"])
def test_it_can_be_sent_to_freshly_started_processes(strategy):
    """Before its first batch and after."""
    built = build_strategy(strategy, tokens=TOKENIZER.token_bases, mask_rate=0.4)
    for collator in (DataCollatorForBaseMasking(TOKENIZER, strategy, mask_rate=0.4),
                     DataCollatorForBaseMasking(TOKENIZER, built)):  # fmt: skip
        for _ in range(2):
            copied = sent(collator)
            set_seed(3)
            here = collator(FEATURES)
            set_seed(3)
            there = copied(FEATURES)
            assert all(torch.equal(here[name], there[name]) for name in here)


def test_a_strategy_built_from_ones_own_file_cannot_be_sent_to_another_process(tmp_path):
    (tmp_path / "own.py").write_text("from genomask.masking import strategy\n\n@strategy('own')\ndef own(s): pass\n")
    name = f"{tmp_path / 'own.py'}:own"
    built = build_strategy(name, tokens=TOKENIZER.token_bases, mask_rate=0.4, match="none")
    with pytest.raises(SettingsError, match=r"'own' comes from your own file.*: give its name, FILE\.py:NAME, not"):
        sent(DataCollatorForBaseMasking(TOKENIZER, built))
    assert sent(DataCollatorForBaseMasking(TOKENIZER, name)).strategy == name


def test_an_encoding_without_ids_is_a_row_of_padding():
    empty = {"input_ids": [], "attention_mask": []}
    batch = DataCollatorForBaseMasking(TOKENIZER, mask_rate=1.0)([empty, *FEATURES])
    assert batch["input_ids"].dtype == batch["labels"].dtype == torch.int64
    assert (batch["input_ids"][0] == TOKENIZER.pad_token_id).all()
    assert (batch["labels"][0] == -100).all()


def test_text_is_masked_in_word_pieces(tmp_path):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    tokenizer = wordpiece_tokenizer(tmp_path / "vocab.txt")
    batch = DataCollatorForBaseMasking(tokenizer, "whole-word", mask_rate=1.0)([tokenizer("the cats sat")])
    assert batch["labels"].tolist() == [[-100, 5, 6, 8, 7, -100]]


def of_roberta(**special):
    """A tokenizer that marks the pieces that begin a word, and not those that continue one."""
    ids = {piece: i for i, piece in enumerate(["<mask>", "<unk>", "\u0120", "c", "a", "t", "\u0120c", "at"])}
    rules = Tokenizer(models.BPE(ids, [("\u0120", "c"), ("a", "t")]))
    rules.pre_tokenizer = pre_tokenizers.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=rules, **{"mask_token": "<mask>", "pad_token": "<unk>"} | special)


def test_whole_words_are_refused_where_no_piece_is_marked_as_continuing_one():
    tokenizer = of_roberta()
    features = [tokenizer("cat cat", return_token_type_ids=False)]
    with pytest.raises(SettingsError, match=r"'whole-word' needs word pieces whose .* begin with ##.*; use one of:"):
        DataCollatorForBaseMasking(tokenizer, "whole-word")(features)
    batch = DataCollatorForBaseMasking(tokenizer, "uniform", mask_rate=1.0)(features)  # without an unknown token
    assert batch["labels"].tolist() == [features[0]["input_ids"]]


def test_a_tokenizer_of_text_without_a_mask_token_is_refused():
    with pytest.raises(SettingsError, match=r"no mask token.*add one with tokenizer\.add_special_tokens"):
        DataCollatorForBaseMasking(of_roberta(mask_token=None), "uniform")([{"input_ids": [3, 7]}])


def test_the_example_of_the_docs_trains_and_its_folder_opens(tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed: pip install 'genomask[trainer]'")
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = (block for block in blocks if "Trainer(" in block)
    assert len(example.splitlines()) <= 32
    (tmp_path / "genome.fa").write_text(f">chr\n{dna(125 * 40, 5)}\n", encoding="utf-8")
    for shown, here in (("genome.fa", tmp_path / "genome.fa"), ("runs/trainer", tmp_path / "run"), ("=500", "=2")):
        assert shown in example
        example = example.replace(shown, str(here))
    names = {}
    exec(compile(example, str(PAGE), "exec"), names)
    assert names["trainer"].state.global_step == 2
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model")
    assert torch.equal(
        model.bert.embeddings.word_embeddings.weight.cpu(), names["trainer"].model.get_input_embeddings().weight.cpu()
    )
    assert AutoTokenizer.from_pretrained(tmp_path / "run" / "model").k == 4
