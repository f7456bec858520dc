"""The probe: a linear classifier on frozen vectors, one a sequence.

In: an encoder folder, a pool and a test. Out: probabilities for any drawn training set. Vectors are computed once.

Letters: T tokens of all packed sequences, B sequences, D width.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from genomask.data.tasks import LabelledTask
from genomask.errors import SettingsError
from genomask.fewshot.protocol import FewShotSettings, Scorer
from genomask.inference.forward import Tokenised, batches, check_lengths, forward, load_encoder, tokenise

MAX_ITERATIONS = 1000


def probe_scorer(
    folder: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: FewShotSettings,
    rows: np.ndarray,
    *,
    seed: int,
    untrained: bool,
) -> Scorer:
    """`probe`, or `random-init/probe` where untrained; `rows` are those of the pool that any draw will use."""
    model, tokenizer = load_encoder(folder, seed=seed, untrained=untrained)
    used = [pool.sequences[row] for row in rows]
    train_vectors = vectors(model, tokenizer, used, settings, str(pool.path))
    test_vectors = vectors(model, tokenizer, test.sequences, settings, str(test.path))

    def scorer(drawn: np.ndarray, shot: int, draw: int) -> np.ndarray:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=MAX_ITERATIONS))
        classifier.fit(train_vectors[np.searchsorted(rows, drawn)], pool.labels[drawn])
        probabilities: np.ndarray = classifier.predict_proba(test_vectors)
        return probabilities

    return scorer


@torch.inference_mode()
def vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sequences: list[str],
    settings: FewShotSettings,
    where: str,
) -> np.ndarray:
    """(B, D) float32: one vector a sequence, pooled as the settings say; `where` names the file in messages."""
    model.eval()
    tokenised = tokenise(tokenizer, sequences, where)
    check_lengths(model, tokenizer, tokenised, where)
    weights = torch.from_numpy(pooling_weights(tokenised, settings.pool))
    weights_of = torch.split(weights, tokenised.tokens.lengths.tolist())
    out = np.empty((len(sequences), model.config.hidden_size), dtype=np.float32)
    for numbers, tokens in batches(tokenised.tokens, settings.tokens_per_batch):
        hidden = forward(model, tokens)
        weight = torch.cat([weights_of[number] for number in numbers.tolist()]).to(hidden)
        owner = torch.repeat_interleave(torch.arange(len(numbers)), tokens.lengths).to(hidden.device)
        pooled = hidden.new_zeros(len(numbers), hidden.shape[1]).index_add_(0, owner, hidden * weight[:, None])
        out[numbers.numpy()] = pooled.cpu().numpy()
    return out


def pooling_weights(tokenised: Tokenised, pool: str) -> np.ndarray:
    """(T,) float32 weights of each token in its sequence's vector; they sum to 1 over a sequence.

    mean: all tokens but [CLS] and [SEP]. center: the tokens that cover the sequence's middle letter, or either of its
    two middle letters where the length is even (letters (n - 1) // 2 and n // 2 of n, counted from 0). cls: the first
    token. Raises SettingsError where there is no such token.
    """
    lengths = tokenised.tokens.lengths.numpy()
    owner = np.repeat(np.arange(len(lengths)), lengths)
    content = tokenised.stop > tokenised.start
    if pool == "cls":
        chosen = np.zeros(len(owner), dtype=bool)
        chosen[tokenised.tokens.cu_seqlens[:-1].numpy()] = True
        if content[chosen].any():
            raise SettingsError("pool = cls needs a tokenizer that puts [CLS] first; use pool = mean or center.")
    elif pool == "center":
        n = tokenised.letters[owner]
        chosen = content & (tokenised.start <= n // 2) & (tokenised.stop > (n - 1) // 2)
    else:
        chosen = content
    if not np.bincount(owner, chosen).all():
        raise SettingsError(f"pool = {pool}: in one sequence no token covers the middle; use pool = mean.")
    return (chosen / np.bincount(owner, chosen)[owner]).astype(np.float32)
