import pytest
import torch
from masking_tables import MASK, encode, kmer_tokens, pack, random_batch, text_tokens

from genomask.masking import MaskAccount, account, build_strategy, corrupt


def test_a_masked_span_hides_its_bases_and_a_kept_one_shows_them():
    tokens = kmer_tokens(3)
    ids, cu_seqlens = pack([encode([0, 1, 2, 3] * 5, tokens)])  # [CLS], 18 tokens, [SEP]
    spans = torch.zeros(20, dtype=torch.int32)
    spans[3:7], spans[10:13], spans[15:17] = 1, 2, 3  # 2, 1 and no base hidden
    after = ids.clone()
    after[3:7] = MASK
    assert account(ids, after, spans, cu_seqlens, tokens) == MaskAccount(18, 9, 20, 3, 1)


def test_accounts_add_up_and_have_fractions():
    total = MaskAccount(10, 2, 20, 4, 1) + MaskAccount(10, 2, 20, 4, 0)
    assert total == MaskAccount(20, 4, 40, 8, 1)
    fractions = total.tokens_masked_fraction, total.bases_hidden_fraction, total.bases_hidden_kept_fraction
    assert fractions == (0.2, 0.2, 0.125)
    assert MaskAccount(0, 0, 0, 0, 0).tokens_masked_fraction == 0


def test_in_text_a_token_counts_as_one_base():
    tokens = text_tokens()
    ids, cu_seqlens = torch.arange(2, 30), torch.tensor([0, 28])
    spans = (torch.arange(28) % 5 == 4).int()
    after = torch.where(spans > 0, MASK, ids)
    assert account(ids, after, spans, cu_seqlens, tokens) == MaskAccount(25, 5, 25, 5, 0)


@pytest.mark.parametrize(("per", "shown"), [("span", 0.1 + 0.1 / 4), ("token", 1 - 0.9**6)])
def test_replacement_per_token_shows_half_of_the_hidden_bases_and_per_span_an_eighth(per, shown):
    """Six tokens, each kept with probability 0.1, show the base in 47 of 100 spans."""
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 600, 510)
    spans = build_strategy("contiguous", tokens=tokens, mask_rate=0.1).select(ids, cu_seqlens, keys)
    after, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per)
    seen = account(ids, after, spans, cu_seqlens, tokens)
    assert seen.bases_hidden_kept_fraction == pytest.approx(shown, abs=0.03)
