"""Word pieces for English: a vocab.txt in, a transformers tokenizer out; or a corpus in, a vocab.txt out.

Text is lower-cased and stripped of accents, as bert-base-uncased does.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer, PreTrainedTokenizerBase

from genomask.data.lines import numbered_lines
from genomask.data.tokenizers.base import SPECIAL_TOKENS
from genomask.errors import DataError, SettingsError
from genomask.files.atomic import atomic_write
from genomask.types import TokenBases

VOCABULARY = "vocab.txt"
CONTINUATION = "##"
SMALLEST_VOCABULARY = 256
LEARNING_CHARACTERS = 50_000_000
LETTERS_A_TOKEN = 6
"""Of English, with some to spare: so many letters of a text mostly hold the tokens that are wanted."""
LONGEST_WORD = 100
"""Letters; longer words are [UNK] to BERT's tokenizer, and learning from one takes time as its square: it is cut."""


def wordpiece_tokenizer(vocab_file: Path | str) -> BertTokenizer:
    """BERT's uncased tokenizer with the pieces of a vocab.txt, one a line; the line number, from 0, is the id.

    Raises DataError for a piece that is there twice and for a special token that is not there.
    """
    path = Path(vocab_file)
    vocab: dict[str, int] = {}
    for number, line in numbered_lines(path):
        piece = line.rstrip("\r\n")
        if piece in vocab:
            raise DataError(
                f"{path}, line {number}: the piece {piece!r} was there already, on line {vocab[piece] + 1}. "
                "Give a vocabulary file with one piece a line, each once."
            )
        vocab[piece] = number - 1
    missing = [token for token in SPECIAL_TOKENS if token not in vocab]
    if missing:
        raise DataError(
            f"{path}: no line {missing[0]!r}. Give a vocabulary file of BERT's layout, with {' '.join(SPECIAL_TOKENS)}."
        )
    return BertTokenizer(vocab=vocab, do_lower_case=True)


def train_wordpiece(texts: Iterable[str], vocab_size: int, out: Path) -> Path:
    """Learn at most `vocab_size` pieces, special tokens first, from texts, and write them to the file `out`.

    Of a large corpus the first LEARNING_CHARACTERS are learned from. The same texts give the same file.
    """
    if vocab_size < SMALLEST_VOCABULARY:
        raise SettingsError(f"vocab_size must be at least {SMALLEST_VOCABULARY}, got {vocab_size}.")
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.FixedLength(length=LONGEST_WORD)]
    )
    normalizer = normalizers.BertNormalizer(lowercase=True)
    sample = _sample(normalizer.normalize_str(text) for text in texts)
    alphabet = _alphabet(sample, at_most=min(1000, vocab_size // 4))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        # The trainer numbers continuations in the order of a hash table, and ties follow the numbers: name them here.
        special_tokens=[*SPECIAL_TOKENS, *(CONTINUATION + letter for letter in alphabet)],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    learner.train_from_iterator(sample, trainer)
    write_vocabulary(learner.get_vocab(), out)
    return out


def write_vocabulary(vocab: Mapping[str, int], out: Path) -> None:
    """A vocab.txt: one piece a line, in the order of their ids."""
    atomic_write(out, "".join(f"{piece}\n" for piece in sorted(vocab, key=vocab.__getitem__)))


def _sample(texts: Iterable[str]) -> list[str]:
    sample, characters = [], 0
    for text in texts:
        sample.append(text)
        characters += len(text)
        if characters >= LEARNING_CHARACTERS:
            break
    return sample


def _alphabet(texts: list[str], at_most: int) -> list[str]:
    """The most frequent letters, sorted."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    letters = [letter for letter in counts if not letter.isspace()]
    return sorted(sorted(letters, key=lambda letter: (-counts[letter], letter))[:at_most])


def token_bases_of(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> TokenBases:
    """What masking must know of a text vocabulary padded to `vocab_size` ids: the unit is the token."""
    vocab = tokenizer.get_vocab()
    assert max(vocab.values()) < vocab_size, "the padded vocabulary is smaller than the tokenizer's"
    specials = {i: token for token, i in vocab.items() if i in tokenizer.all_special_ids}
    maskable = torch.zeros(vocab_size, dtype=torch.bool)
    maskable[list(vocab.values())] = True
    maskable[list(specials)] = False
    word_start = torch.ones(vocab_size, dtype=torch.bool)
    word_start[[i for piece, i in vocab.items() if piece.startswith(CONTINUATION)]] = False
    n_bases = maskable.long()
    n_bases[[tokenizer.unk_token_id, tokenizer.mask_token_id]] = 1
    return TokenBases(
        k=1,
        stride=1,
        mask_id=tokenizer.mask_token_id,
        maskable=maskable,
        n_bases=n_bases,
        letters=torch.zeros((vocab_size, 0), dtype=torch.uint8),
        kmer_ids=torch.zeros(0, dtype=torch.int64),
        word_start=word_start,
    )


def tokenizer_content(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """All that its ids depend on; JSON can hold it."""
    content: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return content | {"truncation": None, "padding": None}  # left behind by earlier calls of the tokenizer


def tokenize_documents(tokenizer: PreTrainedTokenizerBase, texts: list[str], max_tokens: int) -> list[list[int]]:
    """Ids of each text, [CLS] and [SEP] included, cut to `max_tokens`.

    Word pieces never reach across a blank, so of a long text the first words are looked at; where these turn out to be
    too few tokens, twice as many are, and then the whole.
    """
    ids: list[list[int]] = [[] for _ in texts]
    wanting = list(range(len(texts)))
    for limit in (LETTERS_A_TOKEN * max_tokens, 2 * LETTERS_A_TOKEN * max_tokens, sys.maxsize):
        heads = [_head(texts[i], limit) for i in wanting]
        for i, found in zip(wanting, _encode(tokenizer, heads, max_tokens), strict=True):
            ids[i] = found
        whole = (len(head) == len(texts[i]) for i, head in zip(wanting, heads, strict=True))
        wanting = [i for i, is_whole in zip(wanting, whole, strict=True) if len(ids[i]) < max_tokens and not is_whole]
    return ids


def split_documents(tokenizer: PreTrainedTokenizerBase, texts: list[str], max_tokens: int) -> list[list[list[int]]]:
    """Every text as sequences of up to `max_tokens` ids, [CLS] and [SEP] included in each: for each text a list."""
    batch = tokenizer(
        texts,
        truncation=True,
        max_length=max_tokens,
        return_overflowing_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    pieces: list[list[list[int]]] = [[] for _ in texts]
    for document, ids in zip(batch["overflow_to_sample_mapping"], batch["input_ids"], strict=True):
        pieces[document].append(ids)
    return pieces


def _head(text: str, limit: int) -> str:
    """The words within the first `limit` letters, the blank after them included."""
    return text if len(text) <= limit else text[: text.rfind(" ", 0, limit) + 1]


def _encode(tokenizer: PreTrainedTokenizerBase, texts: list[str], max_tokens: int) -> list[list[int]]:
    """What the tokenizer gives when called, without the masks, types and offsets that it makes beside the ids.

    Python normalizes plain English sooner than the normalizer does: such texts go to a tokenizer that has none.
    """
    whole = tokenizer.backend_tokenizer
    bare = Tokenizer(whole.model)  # shares the vocabulary
    bare.pre_tokenizer, bare.post_processor = whole.pre_tokenizer, whole.post_processor
    for backend in (whole, bare):
        backend.enable_truncation(max_tokens)
        backend.no_padding()
    normal = [_normal(text) for text in texts] if _is_uncased_bert(whole) else [None] * len(texts)
    from_bare = iter(bare.encode_batch_fast([text for text in normal if text is not None]))
    rest = [text for text, ready in zip(texts, normal, strict=True) if ready is None]
    from_whole = iter(whole.encode_batch_fast(rest))
    return [next(from_whole if ready is None else from_bare).ids for ready in normal]


def _is_uncased_bert(backend: Tokenizer) -> bool:
    """Whether it lower-cases and splits words as BERT does, and finds no token whole but those in brackets."""
    normalizer, splitter = backend.normalizer, backend.pre_tokenizer
    return (
        isinstance(normalizer, normalizers.BertNormalizer)
        and normalizer.lowercase
        and isinstance(splitter, pre_tokenizers.BertPreTokenizer)
        and all("[" in token.content for token in backend.get_added_tokens_decoder().values())
    )


def _normal(text: str) -> str | None:
    """Lower case, if that is all that BERT's normalizer does to it: ASCII without control characters and brackets."""
    if not text.isascii():
        return None
    line = text.replace("\n", " ").lower()  # BERT splits words at both
    return line if line.isprintable() and "[" not in line else None
