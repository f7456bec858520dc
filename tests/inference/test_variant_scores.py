import itertools
import json
import math
import random

import numpy as np
import pytest
import torch
from reference import reference_bits, reference_logits
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import BertConfig, BertForMaskedLM, EsmConfig, EsmForMaskedLM, PreTrainedTokenizerFast

from genomask.data import Genome, KmerTokenizer
from genomask.data.tokenizers.base import SPECIAL_NAMES, SPECIAL_TOKENS
from genomask.data.tokenizers.bpe import BpeTokenizer, learn_rules
from genomask.data.vcf import Variant
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.bridges import to_mosaicbert
from genomask.errors import SettingsError, UserError
from genomask.inference.forward import TOKENS_AT_ONCE
from genomask.inference.haplotypes import NO_ROOM, TOO_LONG, Change
from genomask.inference.sites import Sites
from genomask.inference.variants import NOT_SPELT, NOT_THE_GENOME, VariantScorer

RNG = random.Random(0)
LETTERS = {
    "one": "".join(RNG.choices("ACGT", k=90)) + 9 * "CA" + "".join(RNG.choices("ACGT", k=40)),
    "two": "".join(RNG.choices("ACGT", k=60)) + "NN" + "".join(RNG.choices("ACGT", k=17)) + "N",
}
WIDTH = 36


def reverse_complement(letters):
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))


def twin(scores, stretch, start, ref, alt, *, width, k, stride):
    """The rule of haplotypes.py by plain loops over strings: one variant, one window at a time, float64."""
    ratios = []
    for is_reverse in (False, True):
        here, x, y, at = stretch, ref, alt, start
        if is_reverse:
            here, x, y = (reverse_complement(letters) for letters in (stretch, ref, alt))
            at = len(stretch) - start - len(ref)
        other = here[:at] + y + here[at + len(x) :]
        forms = [
            (r + len(other) - len(here) + r, s, r)
            for s in range(len(here) + 1)
            for r in range(len(here) - s + 1)
            if r + len(other) - len(here) >= 0
            and here[:s] == other[:s]
            and here[s + r :] == other[s + r + len(other) - len(here) :]
        ]
        _, s, r = min(forms)
        n = max(r, r + len(other) - len(here))
        room = min(len(here), len(other))
        bases = stride * ((min(width, room) - k) // stride) + k
        begin = min(max(0, s - (bases - n) // 2), room - bases)
        hidden = [s <= base < s + n for base in range(begin, begin + bases)]
        bits = [sum(reference_bits(scores, h[begin : begin + bases], hidden, k, stride)) for h in (here, other)]
        ratios.append((bits[0] - bits[1]) * math.log(2))
    return sum(ratios) / 2


def a_model(k, **changes):
    """Two layers whose every weight is random, so that neighbours matter."""
    torch.manual_seed(k)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = MosaicBertConfig(**({"vocab_size": 5 + 4**k, "hidden_dropout_prob": 0.0} | sizes | changes))
    model = MosaicBertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def reference(model):
    weights = {name: tensor.double() for name, tensor in model.state_dict().items()}
    return lambda ids: reference_logits(weights, model.config, ids, torch.zeros_like(ids))


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    (folder / "a.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in LETTERS.items()))
    return Sites(Genome.open(folder / "a.fa", cache=folder / "cache"))


def scorer(sites, model, k, stride=1, width=WIDTH):
    tokens = KmerTokenizer(k=k, stride=stride)
    return VariantScorer(model, tokens, sites, width // stride * stride if stride > 1 else width)


def a_variant(record, start, n, alt):
    ref = LETTERS[record][start : start + n]
    return Variant(record, start + 1, ".", ref, (alt,), "")


def other_base(letter):
    return "ACGT"[("ACGT".index(letter) + 1) % 4]


VARIANTS = [
    *(a_variant("one", at, 1, other_base(LETTERS["one"][at])) for at in (0, 3, 70, len(LETTERS["one"]) - 1)),
    a_variant("one", 50, 3, "".join(map(other_base, LETTERS["one"][50:53]))),
    a_variant("one", 40, 5, LETTERS["one"][40]),
    a_variant("one", 40, 1, LETTERS["one"][40] + "GATTACA"),
    a_variant("one", 60, 4, "TC"),
    a_variant("one", 89, 3, LETTERS["one"][89]),
    a_variant("one", 95, 1, LETTERS["one"][95] + LETTERS["one"][96:98]),
    a_variant("two", 1, 1, other_base(LETTERS["two"][1])),
    a_variant("two", 59, 1, other_base(LETTERS["two"][59])),
    a_variant("two", 70, 1, other_base(LETTERS["two"][70])),
    a_variant("two", 68, 3, LETTERS["two"][68]),
]


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (3, 1), (3, 3), (4, 1)])
def test_the_fast_path_agrees_with_plain_loops_in_float64(sites, k, stride):
    model = a_model(k, positions="alibi-directed")
    found = scorer(sites, model, k, stride).scores(VARIANTS)
    assert len({round(each.llr, 4) for (each,) in found}) == len(VARIANTS)
    for variant, (score,) in zip(VARIANTS, found, strict=True):
        stretches = {"one": [(0, LETTERS["one"])], "two": [(0, LETTERS["two"][:60]), (62, LETTERS["two"][62:79])]}
        at = variant.position - 1
        first, stretch = max(pair for pair in stretches[variant.record] if pair[0] <= at)
        change = (stretch, at - first, variant.ref, variant.alts[0])
        exact = twin(reference(model), *change, width=WIDTH, k=k, stride=stride)
        assert score.llr == pytest.approx(exact, abs=2e-5), variant


def test_variants_are_scored_alike_alone_and_together_in_any_order(sites, monkeypatch):
    fast = scorer(sites, a_model(3), 3)
    together = fast.scores(VARIANTS[::-1])[::-1]
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", 1)
    for variant, (score,) in zip(VARIANTS, together, strict=True):
        assert fast.scores([variant])[0][0].llr == pytest.approx(score.llr, abs=1e-5)


def test_windows_go_through_the_model_within_its_budget_of_tokens(sites, monkeypatch):
    model, sizes = a_model(3), []
    model.register_forward_pre_hook(lambda _, __, given: sizes.append(len(given["input_ids"])), with_kwargs=True)
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", 3 * WIDTH)  # 34 3-mers and two ends a window
    scorer(sites, model, 3).scores(VARIANTS[:7])
    assert max(sizes) == 3 * WIDTH


def test_one_change_has_one_score_however_it_is_written(sites):
    fast = scorer(sites, a_model(3), 3)
    ca = LETTERS["one"].index("CACACACACA")
    writings = [a_variant("one", at, 3, LETTERS["one"][at]) for at in range(ca, ca + 12)]
    writings.append(a_variant("one", ca, 9, LETTERS["one"][ca : ca + 7]))
    assert len({score.llr for (score,) in fast.scores(writings)}) == 1
    snv, padded = a_variant("one", 30, 1, "N"), a_variant("one", 27, 6, "N")
    changed = other_base(snv.ref)
    wide = padded.ref[:3] + changed + padded.ref[4:]
    (short,), (long,) = fast.scores([snv._replace(alts=(changed,)), padded._replace(alts=(wide,))])
    assert short == long


def test_a_change_in_a_repeat_of_a_window_has_one_score_and_moves_at_most_that_far(tmp_path):
    letters = LETTERS["one"][:90] + WIDTH // 2 * "CA" + LETTERS["one"][-40:]
    (tmp_path / "a.fa").write_text(f">one\n{letters}\n")
    fast = scorer(Sites(Genome.open(tmp_path / "a.fa", cache=tmp_path)), a_model(3), 3)
    start = letters.index("CACACACACA")
    places = range(start, start + WIDTH - 2)
    writings = [Variant("one", at + 1, ".", letters[at : at + 3], (letters[at],), "") for at in places]
    assert len({score.llr for (score,) in fast.scores(writings)}) == 1
    longer = Change(np.zeros(100, dtype=np.uint8), 90, np.zeros(2, dtype=np.uint8), np.zeros(0, dtype=np.uint8))
    assert [longer.shortest(most).start for most in (WIDTH, 200)] == [90 - WIDTH, 0]


@pytest.mark.parametrize("stride", [1, 3])
def test_the_other_strand_of_genome_and_variant_gives_the_same_score(sites, tmp_path, stride):
    turned = {name: reverse_complement(letters) for name, letters in LETTERS.items()}
    (tmp_path / "b.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in turned.items()))
    there = Sites(Genome.open(tmp_path / "b.fa", cache=tmp_path / "cache"))
    mirrored = [
        variant._replace(
            position=len(LETTERS[variant.record]) - variant.position - len(variant.ref) + 2,
            ref=reverse_complement(variant.ref),
            alts=(reverse_complement(variant.alts[0]),),
        )
        for variant in VARIANTS
    ]
    model = a_model(3, positions="alibi-directed")
    here, mirror = (scorer(at, model, 3, stride).scores(v) for at, v in ((sites, VARIANTS), (there, mirrored)))
    assert [score.llr for (score,) in here] == pytest.approx([score.llr for (score,) in mirror], abs=1e-5)


def test_a_model_that_knows_composition_alone_gives_the_ratio_of_compositions(sites):
    model, k = a_model(3), 3
    fractions = dict(zip("ACGT", (0.4, 0.1, 0.2, 0.3), strict=True))
    words = map("".join, itertools.product("ACGT", repeat=k))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for word in words:
            score = sum(math.log(fractions[base]) for base in word)
            model.cls.predictions.decoder.bias[KmerTokenizer(k=k).get_vocab()[word]] = score
    one = LETTERS["one"]
    snv, insertion = (
        Variant("one", 31, ".", one[30], ("A", "C", "G", "T"), ""),
        a_variant("one", 40, 1, one[40] + "ACG"),
    )
    found = [score.llr for score in scorer(sites, model, k).scores([snv])[0]]
    both = {base: math.log(fractions[base]) + math.log(fractions[reverse_complement(base)]) for base in "ACGT"}
    assert found == pytest.approx([(both[alt] - both[one[30]]) / 2 for alt in "ACGT"], abs=1e-5)
    with torch.no_grad():
        model.cls.predictions.decoder.bias.zero_()
    assert scorer(sites, model, k).scores([insertion])[0][0].llr == pytest.approx(0, abs=1e-6)


def test_alts_of_one_base_share_one_window_a_strand(sites, monkeypatch):
    asked, original = [], VariantScorer.log_probabilities
    spy = lambda self, windows: asked.append(len(windows)) or original(self, windows)  # noqa: E731
    monkeypatch.setattr(VariantScorer, "log_probabilities", spy)
    snv = a_variant("one", 70, 1, "A")
    scorer(sites, a_model(3), 3).scores([snv._replace(alts=tuple("ACGT")), snv, VARIANTS[5]])
    assert asked == [2 + 4]


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        (a_variant("one", 5, 1, "<DEL>"), NOT_SPELT),
        (a_variant("one", 5, 1, "*"), NOT_SPELT),
        (a_variant("one", 5, 1, "R"), NOT_SPELT),
        (a_variant("two", 60, 1, "A"), NOT_SPELT),
        (a_variant("two", 59, 2, "A"), NOT_SPELT),
        (a_variant("one", 40, 1, 20 * "GATC"), TOO_LONG),
        (a_variant("one", 60, 30, "A"), TOO_LONG),
        (a_variant("one", len(LETTERS["one"]) - 2, 2, LETTERS["one"][-2] + "GGGGGG"), NO_ROOM),
        (Variant("three", 5, ".", "A", ("C",), ""), NOT_THE_GENOME),
        (Variant("one", 10**9, ".", "A", ("C",), ""), NOT_THE_GENOME),
        (Variant("one", 0, ".", "N", ("<DEL>",), ""), NOT_SPELT),
        (Variant("one", 6, ".", other_base(LETTERS["one"][5]), (LETTERS["one"][5],), ""), NOT_THE_GENOME),
    ],
)
def test_an_allele_without_a_score_says_why_and_its_neighbours_are_scored(sites, variant, reason):
    (score,), (other,) = scorer(sites, a_model(3), 3).scores([variant, VARIANTS[2]])
    assert math.isnan(score.llr)
    assert score.reason == reason
    assert math.isfinite(other.llr)


def test_places_are_found_by_the_names_of_another_convention_and_faults_are_named(tmp_path, caplog):
    (tmp_path / "a.fa").write_text(">chr22\nACGTNACG\n>M\nAAAA\n")
    found = Sites(Genome.open(tmp_path / "a.fa", cache=tmp_path / "cache"))
    caplog.set_level("INFO", logger="genomask")
    assert found.place(Variant("22", 3, ".", "gt", ("A",), ""))[:2] == (2, 4)
    assert found.place(Variant("chrMT", 1, ".", "A", ("A",), ""))[:2] == (8, 9)
    assert found.place(Variant("22", 3, ".", "NT", ("A",), "")) == (2, 4, "")  # N is whatever the genome has
    assert "record 22 of the VCF is taken to be chr22 of the genome" in caplog.text
    assert found.place(Variant("22", 3, ".", "GA", ("A",), "")).fault == "22:3: REF is GA, and the genome has GT there"
    assert "chr22 of the genome has 8 bases" in found.place(Variant("22", 8, ".", "GA", ("A",), "")).fault
    assert "no such record; its first records are: chr22, M" in found.place(Variant("1", 8, ".", "G", ("A",), "")).fault


@pytest.fixture(scope="module")
def dnabert(tmp_path_factory):
    """Another library's model of k-mers, of 30 positions."""
    folder = tmp_path_factory.mktemp("dnabert")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    config = BertConfig(vocab_size=69, max_position_embeddings=30, initializer_range=0.5, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    KmerTokenizer(k=3).save_pretrained(folder)
    return folder


def test_another_librarys_model_is_scored_by_the_same_rule(sites, dnabert):
    fast = VariantScorer.open(dnabert, sites)
    assert fast.width == 30
    model = BertForMaskedLM.from_pretrained(dnabert).eval().double()
    with torch.inference_mode():
        exact = twin(lambda ids: model(ids[None]).logits[0], LETTERS["one"], 70, *VARIANTS[2][3:4], VARIANTS[2].alts[0],
                     width=30, k=3, stride=1)  # fmt: skip
    assert fast.scores([VARIANTS[2]])[0][0].llr == pytest.approx(exact, abs=1e-5)
    with pytest.raises(SettingsError, match=r"the window is 31 bases; .* takes 3 to 30 at once"):
        VariantScorer.open(dnabert, sites, 31)


@pytest.fixture(scope="module")
def words(sites):
    """Words of 1 to 4 bases."""
    return BpeTokenizer(
        tokenizer_object=learn_rules([LETTERS["one"], LETTERS["two"].replace("N", "")] * 3, 40),
        bases_in_100_tokens=200,
        model_max_length=512,
        **dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True)),
    )


def words_twin(model, words, stretch, start, ref, alt):
    """An SNV by the rule for words, on one strand: flanks cut alone, one [MASK] summed over words by first letter."""
    begin = min(max(0, start - (WIDTH - 1) // 2), len(stretch) - WIDTH)
    flanks = stretch[begin:start], stretch[start + 1 : begin + WIDTH]
    before, behind = (words(flank, add_special_tokens=False)["input_ids"] for flank in flanks)
    logits = reference(model)(torch.tensor([2, *before, 4, *behind, 3]))[1 + len(before)]
    spelt = words.convert_ids_to_tokens(range(5, len(words)))
    shares = logits[5 : len(words)].softmax(0).tolist()
    first = {base: sum(x for x, word in zip(shares, spelt, strict=True) if word[0] == base) for base in (ref, alt)}
    return math.log(first[alt] / first[ref])


@pytest.mark.parametrize("at", [3, 70, 120])
def test_words_of_unequal_length_are_cut_again_around_the_change(sites, words, at):
    model = a_model(3, vocab_size=len(words))
    ref, alt = LETTERS["one"][at], other_base(LETTERS["one"][at])
    fast = VariantScorer(model, words, sites, WIDTH)
    [[score], [back]] = fast.scores([a_variant("one", at, 1, alt), a_variant("one", at, 1, ref)])
    there = words_twin(model, words, LETTERS["one"], at, ref, alt)
    turned = reverse_complement(LETTERS["one"])
    other = words_twin(model, words, turned, len(turned) - at - 1, *map(reverse_complement, (ref, alt)))
    assert score.llr == pytest.approx((there + other) / 2, abs=2e-5)
    assert back.llr == 0


def test_with_words_each_kind_of_change_is_scored_alike_alone_and_together(sites, words):
    fast = VariantScorer(a_model(3, vocab_size=len(words)), words, sites, WIDTH)
    together = [score.llr for (score,) in fast.scores(VARIANTS)]
    assert all(map(math.isfinite, together))
    assert [fast.scores([variant])[0][0].llr for variant in VARIANTS] == pytest.approx(together, abs=1e-5)


def test_another_librarys_model_of_words_ignores_the_padding_of_shorter_windows(sites, words):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=len(words), initializer_range=0.5, **sizes)).eval()
    fast = VariantScorer(model, words, sites, WIDTH)
    together = [score.llr for (score,) in fast.scores(VARIANTS)]
    assert [fast.scores([variant])[0][0].llr for variant in VARIANTS] == pytest.approx(together, abs=1e-5)


def test_a_saved_model_of_words_takes_windows_of_as_many_bases_as_its_tokens_make(sites, words, tmp_path):
    a_model(3, vocab_size=len(words)).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    assert VariantScorer.open(tmp_path, sites).width == 2 * 510
    assert VariantScorer.open(tmp_path, sites, 50).width == 50


def test_nucleotide_transformers_kmers_are_scored_by_their_own_ids_without_an_end(sites, tmp_path):
    ours = list(KmerTokenizer(k=3).get_vocab())
    theirs = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *ours[:4:-1], *"ATCGN"]
    (tmp_path / "vocab.txt").write_text("\n".join(theirs))
    config = {"tokenizer_class": "EsmTokenizer", "model_max_length": 100, "eos_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ids = {"vocab_size": len(theirs), "mask_token_id": 2, "pad_token_id": 1, "max_position_embeddings": 102}
    EsmForMaskedLM(EsmConfig(initializer_range=0.5, **sizes, **ids)).save_pretrained(tmp_path)
    fast = VariantScorer.open(tmp_path, sites, 36)
    spelt = [theirs[row] for row in fast.tokenizer.encode_bases(np.array([0, 1, 2, 3, 4, 0, 3, 3, 3]))]
    assert spelt == ["ACG", "<unk>", "TTT"]
    model, rows = (
        EsmForMaskedLM.from_pretrained(tmp_path).eval().double(),
        [1, 0, 3, 3, 2, *map(theirs.index, ours[5:])],
    )

    def scores(tokens):  # ours, with [SEP]
        with torch.inference_mode():
            found = model(torch.tensor(rows)[None, tokens[:-1]]).logits[0][:, rows]
        return torch.cat([found, found[-1:]])

    for variant in (VARIANTS[2], VARIANTS[6]):
        change = LETTERS["one"], variant.position - 1, variant.ref, variant.alts[0]
        assert fast.scores([variant])[0][0].llr == pytest.approx(
            twin(scores, *change, width=36, k=3, stride=3), abs=1e-5
        )


def test_the_words_of_dnabert_2_are_scored_by_its_own_ids(sites, words, tmp_path):
    model = a_model(3, vocab_size=len(words))
    rows = [1, 2, 3, 0, 4, *range(5, len(words))]  # its [UNK] [CLS] [SEP] [PAD] [MASK], then the same words
    ids = {token: rows.index(row) for token, row in words.get_vocab().items()}
    merges = json.loads(words.backend_tokenizer.to_str())["model"]["merges"]
    rules = BPE(ids, list(map(tuple, merges)), unk_token="[UNK]")
    named = dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(rules), **named).save_pretrained(tmp_path)
    config, state = to_mosaicbert(model)
    state = {name: x[rows] if len(x) == len(rows) else x for name, x in state.items()}
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = VariantScorer.open(tmp_path, sites, WIDTH).scores(VARIANTS)
    expected = VariantScorer(model, words, sites, WIDTH).scores(VARIANTS)
    assert [score.llr for (score,) in found] == pytest.approx([score.llr for (score,) in expected], abs=1e-5)


def test_a_model_of_text_is_refused(sites, dnabert, tmp_path):
    BertForMaskedLM.from_pretrained(dnabert).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(64))]))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    with pytest.raises(UserError, match="variants are scored by models of k-mers"):
        VariantScorer.open(tmp_path, sites)
