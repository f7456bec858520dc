"""What users of transformers do with a model: vectors for ids, another vocabulary, attention by name, token labels."""

import pytest
import torch
from tiny_encoders import packed_input, padded, tiny_config, tiny_model
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification

from genomask.encoders import (
    MosaicBertForMaskedLM,
    MosaicBertForSequenceClassification,
    MosaicBertForTokenClassification,
    MosaicBertModel,
    backends,
)
from genomask.encoders.implementations import attention_of
from genomask.errors import DataError, SettingsError

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 1, 23]
IDS = torch.randint(1, 70, (3, 9), generator=torch.Generator().manual_seed(0))
HEADS = [
    MosaicBertModel,
    MosaicBertForMaskedLM,
    MosaicBertForSequenceClassification,
    MosaicBertForTokenClassification,
]


@pytest.mark.parametrize("positions", ["alibi", "learned"])
@pytest.mark.parametrize("head", HEADS)
def test_vectors_in_place_of_ids_give_the_same_padded_and_packed(head, positions):
    model = head(tiny_config(positions=positions)).eval()
    ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    mask = padded(torch.ones_like(ids), LENGTHS, 0)
    forms = [
        (padded(ids, LENGTHS, 0), {"attention_mask": mask}),
        (ids, {"cu_seqlens": cu_seqlens, "max_seqlen": longest}),
        (ids[:9][None], {}),
    ]
    for tokens, others in forms:
        words = model.get_input_embeddings()(tokens)
        torch.testing.assert_close(model(inputs_embeds=words, **others)[0], model(input_ids=tokens, **others)[0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "give either input_ids or inputs_embeds"),
        ({"input_ids": IDS, "inputs_embeds": torch.zeros(3, 9, 48)}, "inputs_embeds, not both"),
        ({"inputs_embeds": torch.zeros(9, 48)}, r"inputs_embeds have shape \(9,\)"),
        ({"input_ids": IDS, "position_ids": torch.zeros_like(IDS)}, "position_ids are not read: .*leave them out"),
        ({"inputs_embeds": torch.zeros(3, 9, 48), "labels": IDS[:2]}, r"inputs_embeds \(3, 9\)"),
    ],
)
def test_inputs_that_do_not_go_together_are_refused(inputs, message):
    with pytest.raises(DataError, match=message):
        tiny_model()(**inputs)


@pytest.mark.parametrize("head", HEADS)
def test_embeddings_can_be_read_and_set(head):
    model, words = head(tiny_config()), torch.nn.Embedding(70, 48)
    model.set_input_embeddings(words)
    assert model.get_input_embeddings() is words


@pytest.mark.parametrize(("tied", "stem_width"), [(True, 1), (False, 1), (True, 5)])
@pytest.mark.parametrize(("size", "multiple", "rows"), [(75, None, 75), (75, 64, 128), (60, None, 60), (None, 8, 72)])
def test_another_size_of_vocabulary_keeps_old_logits_and_opens_as_it_was_saved(
    tmp_path, size, multiple, rows, tied, stem_width
):
    model = tiny_model(tie_word_embeddings=tied, stem_width=stem_width)
    ids = IDS.clamp(max=59)
    before, decoder = model(input_ids=ids).logits, type(model.get_output_embeddings())
    torch.manual_seed(1)
    words = model.resize_token_embeddings(size, pad_to_multiple_of=multiple)
    size = size or 70
    assert words.weight.shape == (rows, 48)
    assert (model.config.vocab_size, model.config.padded_vocab_size) == (size, rows)
    logits = model(input_ids=ids).logits
    assert logits.shape == (3, 9, size)
    kept = min(size, 70)
    torch.testing.assert_close(logits[..., :kept], before[..., :kept], rtol=1e-5, atol=1e-5)
    assert type(model.get_output_embeddings()) is decoder
    model.save_pretrained(tmp_path)
    opened = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert torch.equal(opened(input_ids=ids).logits, logits)


def test_new_ids_start_near_the_mean_of_the_old_ones_and_not_as_padding_rows():
    model = tiny_model()
    with torch.no_grad():
        model.get_input_embeddings().weight[70:] = 1000.0
    words = model.resize_token_embeddings(80).weight
    assert words[70:].abs().max() < 5
    with pytest.raises(DataError, match="token id 80 is outside the model's vocabulary of 80 ids"):
        model(input_ids=torch.tensor([[79, 80]]))


@pytest.mark.parametrize("head", HEADS[1:])
def test_names_of_attention_in_transformers_mean_our_backends(head, tmp_path):
    head(tiny_config(attention_backend="sdpa")).save_pretrained(tmp_path)
    model, logits = head.from_pretrained(tmp_path).eval(), {}
    for name in ("eager", "sdpa"):
        model.set_attn_implementation(name)
        asked = attention_of(model.config, torch.device("cpu"), torch.float32)
        assert asked is (backends.BACKENDS["sdpa"] if name == "sdpa" else attention_of.__globals__["eager"])
        logits[name] = model(input_ids=IDS).logits
        by_argument = head.from_pretrained(tmp_path, attn_implementation=name)
        assert torch.equal(by_argument(input_ids=IDS).logits, logits[name])
    torch.testing.assert_close(logits["eager"], logits["sdpa"])


def test_without_a_name_the_configs_backend_is_used_and_names_are_not_saved(tmp_path, monkeypatch):
    model = MosaicBertForMaskedLM(tiny_config())
    assert model.config._attn_implementation == "sdpa"
    monkeypatch.setattr(backends, "backends_on", lambda device: ["flex", "sdpa"])
    assert attention_of(model.config, torch.device("cuda"), torch.float32) is backends.BACKENDS["flex"]
    model.set_attn_implementation("sdpa")
    assert attention_of(model.config, torch.device("cuda"), torch.float32) is backends.BACKENDS["sdpa"]
    model.save_pretrained(tmp_path)
    opened = MosaicBertForMaskedLM.from_pretrained(tmp_path)
    assert attention_of(opened.config, torch.device("cuda"), torch.float32) is backends.BACKENDS["flex"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flash_attention_2", "attention_backend 'flash' is not available"),
        ("flex_attention", "attention_backend 'flex' is not available"),
        ("flash_attention_3", "is not supported; use eager, sdpa.*attention_backend"),
        ("kernels-community/flash-attn2", "is not supported; use eager, sdpa"),
    ],
)
def test_unavailable_attention_is_refused_when_it_is_asked_for(name, message, monkeypatch):
    monkeypatch.setattr(backends, "is_installed", lambda name: False)
    with pytest.raises(SettingsError, match=message):
        tiny_model().set_attn_implementation(name)
    with pytest.raises(SettingsError, match=message):
        MosaicBertModel(tiny_config(attn_implementation=name))


def test_token_classification_is_the_same_padded_and_packed_and_trains_the_labelled_tokens():
    torch.manual_seed(0)
    model = MosaicBertForTokenClassification(tiny_config(num_labels=4)).eval()
    ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    labels = torch.where(torch.arange(len(ids)) % 3 == 0, torch.arange(len(ids)) % 4, -100)
    packed = model(input_ids=ids, cu_seqlens=cu_seqlens, max_seqlen=longest, labels=labels)
    mask = padded(torch.ones_like(ids), LENGTHS, 0)
    in_rows = model(input_ids=padded(ids, LENGTHS, 0), attention_mask=mask, labels=padded(labels, LENGTHS, -100))
    torch.testing.assert_close(in_rows.logits[mask.bool()], packed.logits)
    by_hand = torch.nn.functional.cross_entropy(packed.logits, labels)
    torch.testing.assert_close(packed.loss, by_hand)
    torch.testing.assert_close(in_rows.loss, by_hand)
    assert model(input_ids=IDS).loss is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((3, 9), 4), "label 4 is outside"),
        (torch.zeros(3).long(), r"labels have shape \(3,\)"),
        (torch.zeros(3, 9).long(), "6 labels on padding .*set labels there to -100"),
    ],
)
def test_labels_of_tokens_that_do_not_fit_are_refused(labels, message):
    mask = torch.ones(3, 9)
    mask[:, 7:] = 0
    with pytest.raises(DataError, match=message):
        MosaicBertForTokenClassification(tiny_config(num_labels=4))(input_ids=IDS, attention_mask=mask, labels=labels)


def test_a_pretrained_folder_opens_with_a_head_for_tokens(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path)
    opened = AutoModelForTokenClassification.from_pretrained(tmp_path, num_labels=5)
    assert type(opened) is MosaicBertForTokenClassification
    assert torch.equal(opened.bert(input_ids=IDS)[0], model.bert(input_ids=IDS)[0])
    assert opened(input_ids=IDS).logits.shape == (3, 9, 5)


def test_export_is_refused_with_one_clear_error():
    with pytest.raises(SettingsError, match=r"torch\.export needs shapes that follow"):
        torch.export.export(tiny_model(), (), {"input_ids": IDS}, strict=False)
