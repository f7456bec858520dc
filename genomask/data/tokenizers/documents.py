"""Texts in, ids out: of their first tokens, or of all of them."""

import sys

from tokenizers import Encoding, Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase

LETTERS_A_TOKEN = 6
"""For English, with some to spare: that many letters per wanted token are mostly enough."""


class DocumentTokenizer:
    """Sequences of up to `max_tokens` ids, [CLS] and [SEP] included, as the tokenizer gives them when called.

    It copies the tokenizer, so nobody else sets its truncation: threads may share it, and run in parallel.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._whole = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._bare = Tokenizer(self._whole.model)
        self._bare.pre_tokenizer, self._bare.post_processor = self._whole.pre_tokenizer, self._whole.post_processor
        for backend in (self._whole, self._bare):
            backend.enable_truncation(max_tokens)
            backend.no_padding()
        self._reads_plain = _is_uncased_bert(self._whole)

    def truncated(self, texts: list[str]) -> list[list[int]]:
        """The first sequence of each text.

        Word pieces never cross a blank, so only the first words of a long text are tokenised; if they give too few
        tokens, twice as many letters are, and then the whole text.
        """
        ids: list[list[int]] = [[] for _ in texts]
        wanting = list(range(len(texts)))
        letters = LETTERS_A_TOKEN * self.max_tokens
        for limit in (letters, 2 * letters, sys.maxsize):
            heads = [_head(texts[i], limit) for i in wanting]
            for i, found in zip(wanting, self._encode(heads), strict=True):
                ids[i] = found.ids
            whole = (len(head) == len(texts[i]) for i, head in zip(wanting, heads, strict=True))
            pairs = zip(wanting, whole, strict=True)
            wanting = [i for i, is_whole in pairs if len(ids[i]) < self.max_tokens and not is_whole]
        return ids

    def split(self, texts: list[str]) -> list[list[list[int]]]:
        """All of each text, as one sequence or several."""
        return [[found.ids, *(more.ids for more in found.overflowing)] for found in self._encode(texts)]

    def _encode(self, texts: list[str]) -> list[Encoding]:
        """Python normalises plain English faster than the normalizer: such texts go to a tokenizer without one."""
        normal = [_normal(text) for text in texts] if self._reads_plain else [None] * len(texts)
        from_bare = iter(self._bare.encode_batch_fast([text for text in normal if text is not None]))
        rest = [text for text, ready in zip(texts, normal, strict=True) if ready is None]
        from_whole = iter(self._whole.encode_batch_fast(rest))
        return [next(from_whole if ready is None else from_bare) for ready in normal]


def _head(text: str, limit: int) -> str:
    """The words within the first `limit` letters, with the blank after them."""
    return text if len(text) <= limit else text[: text.rfind(" ", 0, limit) + 1]


def _is_uncased_bert(backend: Tokenizer) -> bool:
    """Whether it lower-cases and splits words as BERT does, and matches only tokens in brackets whole."""
    normalizer, splitter = backend.normalizer, backend.pre_tokenizer
    return (
        isinstance(normalizer, normalizers.BertNormalizer)
        and normalizer.lowercase
        and isinstance(splitter, pre_tokenizers.BertPreTokenizer)
        and all("[" in token.content for token in backend.get_added_tokens_decoder().values())
    )


def _normal(text: str) -> str | None:
    """The text in lower case if BERT's normalizer does no more: ASCII without control characters and brackets."""
    if not text.isascii():
        return None
    line = text.replace("\n", " ").lower()  # BERT splits words at both
    return line if line.isprintable() and "[" not in line else None
