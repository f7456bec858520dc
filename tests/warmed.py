"""What the tests' fork server imports: all that runs and comparisons use, with the machine code of masking loaded."""

import numpy as np
import torch
from pydantic import TypeAdapter  # noqa: F401  (typer needs it at the first command)

import genomask.cli.app
import genomask.commands.compare.arms
import genomask.commands.pretrain
import genomask.commands.run_folder.report
import genomask.report.plots  # noqa: F401
from genomask.data import KmerTokenizer
from genomask.masking import STRATEGIES, NpmiTable, account, build_strategy, corrupt


def mask_once() -> None:
    """Load or compile every strategy for DNA, and what comes before and after it."""
    tokenizer = KmerTokenizer(k=2)
    tokens, codes = tokenizer.token_bases, np.zeros(100, dtype=np.uint8)
    npmi = NpmiTable.from_intervals(codes, np.array([[0, 100]]), max_n=2, min_count=2)
    ids = torch.from_numpy(tokenizer.encode_bases(codes))
    cu_seqlens, keys = torch.tensor([0, len(ids)]), torch.zeros(1, dtype=torch.int64)
    for name in [name for name, spec in STRATEGIES.items() if spec.units != "text"]:
        strategy = build_strategy(name, tokens=tokens, mask_rate=0.3, npmi=npmi, match="none")
        spans = strategy.select(ids, cu_seqlens, keys)
    masked, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens)
    account(ids, masked, spans, cu_seqlens, tokens)


mask_once()
