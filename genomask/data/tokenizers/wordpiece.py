"""Word pieces for English: a vocab.txt in, a transformers tokenizer out; or a corpus in, a vocab.txt out.

Text is lower-cased and stripped of accents, as bert-base-uncased does.
"""

import json
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
LONGEST_WORD = 100
"""Letters; longer words are [UNK] to BERT's tokenizer, and cost time as their square to learn from: they are cut."""


def wordpiece_tokenizer(vocab_file: Path | str) -> BertTokenizer:
    """BERT's uncased tokenizer with the pieces of a vocab.txt, one a line; the line number, from 0, is the id.

    Raises DataError for a repeated piece and for a missing special token.
    """
    path = Path(vocab_file)
    vocab: dict[str, int] = {}
    for number, line in numbered_lines(path):
        piece = line.rstrip("\r\n")
        if piece in vocab:
            raise DataError(
                f"{path}, line {number}: the piece {piece!r} appears twice, first on line {vocab[piece] + 1}. "
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

    Only the first LEARNING_CHARACTERS of a large corpus are used. The same texts give the same file.
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
        # The trainer numbers continuations in hash-table order and breaks ties by number: name them here.
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
    """Write a vocab.txt: one piece a line, in the order of their ids."""
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
    """What masking needs to know about a text vocabulary padded to `vocab_size` ids: the unit is the token.

    Raises SettingsError for a tokenizer without a mask token.
    """
    if tokenizer.mask_token_id is None:
        raise SettingsError(
            "the tokenizer has no mask token to replace hidden tokens; add one with "
            "tokenizer.add_special_tokens({'mask_token': '[MASK]'}), and give the model an embedding for it."
        )
    vocab = tokenizer.get_vocab()
    assert max(vocab.values()) < vocab_size, "the padded vocabulary is smaller than the tokenizer's"
    specials = {i: token for token, i in vocab.items() if i in tokenizer.all_special_ids}
    maskable = torch.zeros(vocab_size, dtype=torch.bool)
    maskable[list(vocab.values())] = True
    maskable[list(specials)] = False
    word_start = torch.ones(vocab_size, dtype=torch.bool)
    word_start[[i for piece, i in vocab.items() if piece.startswith(CONTINUATION)]] = False
    n_bases = maskable.long()
    n_bases[[row for row in (tokenizer.unk_token_id, tokenizer.mask_token_id) if row is not None]] = 1
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
    """All that its ids depend on, as values that JSON can hold."""
    content: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return content | {"truncation": None, "padding": None}  # left behind by earlier calls of the tokenizer
