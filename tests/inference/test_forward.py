import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import FixedLength
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from genomask.data import KmerTokenizer
from genomask.errors import DataError, UserError
from genomask.inference.forward import (
    batches,
    check_lengths,
    fingerprint,
    forward,
    load_classifier,
    load_encoder,
    tokenise,
)

SEQUENCES = ["ACGTACGTAC", "TTTACG", "GGGCCCAAATTTACGT"]


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    """Another library's encoder: BERT of one layer over pairs of letters, a fast tokenizer, 16 positions."""
    folder = tmp_path_factory.mktemp("bert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: i for i, token in enumerate([*special, *(a + b for a in "ACGT" for b in "ACGT")])}
    plain = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = FixedLength(2)
    plain.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=16, **names).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=16, **sizes)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("stride", "starts"), [(1, [0, 1, 2, 3]), (3, [0, 3])])
def test_kmers_know_the_bases_they_cover(stride, starts):
    tokenised = tokenise(KmerTokenizer(k=3, stride=stride), ["ACGTAC"], "file")
    assert tokenised.start.tolist() == [0, *starts, 0]
    assert tokenised.stop.tolist() == [0, *(start + 3 for start in starts), 0]


def test_our_quick_path_gives_the_tokenizers_own_ids():
    tokenizer = KmerTokenizer(k=3)
    tokenised = tokenise(tokenizer, ["ACGTNAC", "acgt"], "file")
    assert tokenised.tokens.input_ids.tolist() == [*tokenizer("ACGTNAC")["input_ids"], *tokenizer("acgt")["input_ids"]]


def test_another_tokenizer_tells_its_letters(bert_folder):
    tokenised = tokenise(load_encoder(bert_folder, seed=0, untrained=False).tokenizer, ["ACGTA"], "file")
    assert tokenised.start.tolist() == [0, 0, 2, 4, 0]
    assert tokenised.stop.tolist() == [0, 2, 4, 5, 0]


def test_a_tokenizer_that_cannot_tell_letters_counts_in_tokens(bert_folder, monkeypatch):
    tokenizer = load_encoder(bert_folder, seed=0, untrained=False).tokenizer
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    tokenised = tokenise(tokenizer, ["ACGTA"], "file")
    assert tokenised.start.tolist() == [0, 0, 1, 2, 0]
    assert tokenised.letters.tolist() == [3]


def test_a_sequence_without_a_token_is_named():
    with pytest.raises(DataError, match=r"test.tsv: the sequence 'AC' makes no token"):
        tokenise(KmerTokenizer(k=3), ["ACGT", "AC"], "test.tsv")


def test_a_tokenizer_that_lost_its_token_for_the_unknown_is_named():
    plain = Tokenizer(WordLevel({"AC": 0}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, name_or_path="a/folder")
    with pytest.raises(DataError, match=r"^a/folder: its tokenizer cannot read these sequences \(.*UNK.*\); copy the"):
        tokenise(tokenizer, ["GT"], "task.tsv")


def test_a_file_that_is_mostly_unknown_to_the_tokenizer_is_refused(bert_folder):
    tokenizer = load_encoder(bert_folder, seed=0, untrained=False).tokenizer
    with pytest.raises(DataError, match=r"test.tsv: 67% of the tokens are \[UNK\]"):
        tokenise(tokenizer, ["NNNN", "AC"], "test.tsv")
    assert len(tokenise(tokenizer, ["NNAC"], "test.tsv").letters) == 1


def test_batches_hold_every_sequence_once_in_order_of_length():
    tokens = tokenise(KmerTokenizer(k=3), SEQUENCES, "file").tokens
    seen = [(numbers.tolist(), part.lengths.tolist()) for numbers, part in batches(tokens, tokens_per_batch=16)]
    assert seen == [([1, 0], [6, 10]), ([2], [16])]
    assert len(list(batches(tokens, tokens_per_batch=1))) == 2  # the longest goes alone


@pytest.mark.processor
@pytest.mark.parametrize("ours", [True, False])
def test_vectors_do_not_depend_on_the_batch(ours, model_folder, bert_folder):
    model, tokenizer = load_encoder(model_folder if ours else bert_folder, seed=0, untrained=False)
    together = forward(model.eval(), tokenise(tokenizer, SEQUENCES, "file").tokens)
    alone = [forward(model, tokenise(tokenizer, [sequence], "file").tokens) for sequence in SEQUENCES]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.processor
@pytest.mark.parametrize("ours", [True, False])
def test_vectors_on_a_cpu_are_bit_equal_with_units_for_bf16_and_without(ours, model_folder, bert_folder, bf16_units):
    model, tokenizer = load_encoder(model_folder if ours else bert_folder, seed=0, untrained=False)
    tokens = tokenise(tokenizer, SEQUENCES, "file").tokens
    found = []
    for has_units in (False, True):
        bf16_units(has_units)
        found.append(forward(model.eval(), tokens))
    assert torch.equal(*found)
    assert not torch.equal(found[0], found[0].bfloat16().float())


@pytest.mark.parametrize("ours", [True, False])
def test_a_classifier_gives_one_row_of_logits_a_sequence(ours, model_folder, bert_folder):
    folder = model_folder if ours else bert_folder
    model, tokenizer = load_classifier(folder, 3, seed=0, untrained=False)
    assert forward(model, tokenise(tokenizer, SEQUENCES, "file").tokens).shape == (3, 3)
    assert model.config.hidden_dropout_prob == 0.1


def test_the_seed_draws_the_head_and_nothing_else(model_folder):
    first, again, other = (load_classifier(model_folder, 2, seed=seed, untrained=False).model for seed in (1, 1, 2))
    states = [model.state_dict() for model in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    changed = {name for name in states[0] if not torch.equal(states[0][name], states[2][name])}
    assert changed == {"classifier.weight", "bert.pooler.dense.weight"}


def test_an_untrained_twin_has_the_config_but_none_of_the_weights(model_folder):
    trained = load_encoder(model_folder, seed=1, untrained=False).model
    twin, same, other = (load_encoder(model_folder, seed=seed, untrained=True).model for seed in (1, 1, 2))
    name = "embeddings.word_embeddings.weight"
    weight = {
        label: model.state_dict()[name] for label, model in zip("abcd", (trained, twin, same, other), strict=True)
    }
    assert weight["a"].shape == weight["b"].shape
    assert not torch.equal(weight["a"], weight["b"])
    assert torch.equal(weight["b"], weight["c"])
    assert not torch.equal(weight["b"], weight["d"])


def test_too_long_a_sequence_is_refused_where_positions_end(bert_folder, model_folder):
    for folder, refused in ((bert_folder, True), (model_folder, False)):
        model, tokenizer = load_encoder(folder, seed=0, untrained=False)
        tokenised = tokenise(tokenizer, ["ACGT" * 300], "test.tsv")
        if refused:
            with pytest.raises(DataError, match=r"test.tsv: a sequence has 602 tokens and this model takes 16"):
                check_lengths(model, tokenizer, tokenised, "test.tsv")
        else:
            check_lengths(model, tokenizer, tokenised, "test.tsv")


def test_a_fingerprint_follows_the_weights(model_folder, bert_folder, tmp_path):
    assert fingerprint(model_folder) == fingerprint(model_folder) != fingerprint(bert_folder)
    with pytest.raises(UserError, match="no model here"):
        fingerprint(tmp_path)


def test_global_random_state_is_left_alone(model_folder):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_classifier(model_folder, 2, seed=1, untrained=True)
    assert torch.equal(torch.rand(1), expected)
    assert np.isfinite(expected.item())
