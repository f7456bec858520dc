"""The encoder and its score again, slow and obvious, in float64: written from the definitions, sharing no code with the
package.

One sequence at a time, one head at a time. `weights` is a state dict with the parameters' published names.
Letters: S tokens of one sequence, D width, H head width, V vocabulary, L bases of a window.
"""

import functools
import itertools
import math

import torch

LAYER_NORM_EPS = 1e-12


def reference_slopes(n_heads):
    """ALiBi slopes of the heads 1..n."""
    if math.log2(n_heads).is_integer():
        return [2 ** (-8 * h / n_heads) for h in range(1, n_heads + 1)]
    lower = 2 ** math.floor(math.log2(n_heads))
    every_other = [slope for i, slope in enumerate(reference_slopes(2 * lower)) if i % 2 == 0]
    return reference_slopes(lower) + every_other[: n_heads - lower]


def reference_turned(x):
    """(S, N, H) of one sequence -> the same, rotated: h and h + H / 2 as a complex number, times e^(i place rate)."""
    half = x.shape[-1] // 2
    rates = torch.tensor([10_000 ** (-plane / half) for plane in range(half)], dtype=torch.float64)
    angles = torch.arange(len(x))[:, None, None] * rates
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.exp(1j * angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


@functools.cache
def reference_bias(length, slope, head_number, directed):
    """(S, S): what ALiBi adds to the score of query i and key j."""
    i, j = torch.arange(length)[:, None], torch.arange(length)
    bias = -slope * (i - j).abs().double()
    hidden = j > i if head_number % 2 == 1 else j < i
    return bias.masked_fill(hidden, -math.inf) if directed else bias


def reference_attention(q, k, v, cu_seqlens, positions="alibi"):
    """Packed q, k, v (T, N, H) -> (T, N, H), each sequence and head on its own, in the dtype of q."""
    out = torch.empty_like(q)
    slopes = reference_slopes(q.shape[1])
    for start, stop in itertools.pairwise(cu_seqlens.tolist()):
        for n, slope in enumerate(slopes):
            scores = q[start:stop, n] @ k[start:stop, n].T / math.sqrt(q.shape[-1])
            if positions != "learned":
                scores = scores + reference_bias(stop - start, slope, n + 1, positions.endswith("directed")).to(q.dtype)
            out[start:stop, n] = torch.softmax(scores, dim=-1) @ v[start:stop, n]
    return out


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + LAYER_NORM_EPS) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def reference_layer(x, weights, name, config):
    """(S, D) of one sequence through one post-LN layer."""
    width = x.shape[-1]
    qkv = linear(x, weights, f"{name}.attention.self.Wqkv")
    q, k, v = (qkv[:, i * width : (i + 1) * width].reshape(len(x), config.num_attention_heads, -1) for i in range(3))
    if config.positions.startswith("rotary"):
        q, k = reference_turned(q), reference_turned(k)
    mixed = reference_attention(q, k, v, torch.tensor([0, len(x)]), config.positions).reshape(len(x), width)
    x = layer_norm(
        linear(mixed, weights, f"{name}.attention.output.dense") + x, weights, f"{name}.attention.output.LayerNorm"
    )
    if config.mlp == "glu":
        both = x @ weights[f"{name}.mlp.gated_layers.weight"].T
        inner = gelu(both[:, : config.intermediate_size]) * both[:, config.intermediate_size :]
    else:
        inner = gelu(linear(x, weights, f"{name}.mlp.wi"))
    return layer_norm(linear(inner, weights, f"{name}.mlp.wo") + x, weights, f"{name}.mlp.layernorm")


def reference_stem(input_ids, weight, config):
    """(S,) ids of one sequence -> (S, D): for each neighbour of each token, a row of that neighbour's own table.

    Zeros in the channels that the tables lack.
    """
    side, rows = config.stem_width // 2, config.padded_vocab_size
    tables = dict(zip([*range(-side, 0), *range(1, side + 1)], weight[:-1].split(rows), strict=True))
    zero = torch.zeros_like(weight[0])
    at = range(len(input_ids))
    sums = [sum((tables[by][input_ids[t + by]] for by in tables if t + by in at), start=zero) for t in at]
    return torch.cat([torch.stack(sums), torch.zeros(len(sums), config.hidden_size - len(zero))], dim=1)


def reference_encoder(weights, config, input_ids, token_types):
    """(S,) ids and token types of one sequence, no padding -> (S, D)."""
    x = weights["bert.embeddings.word_embeddings.weight"][input_ids]
    x = x + weights["bert.embeddings.token_type_embeddings.weight"][token_types]
    if config.positions == "learned":
        x = x + weights["bert.embeddings.position_embeddings.weight"][: len(input_ids)]
    if config.stem_width > 1:
        x = x + reference_stem(input_ids, weights["bert.embeddings.stem.tables.weight"], config)
    x = layer_norm(x, weights, "bert.embeddings.LayerNorm")
    for n in range(config.num_hidden_layers):
        x = reference_layer(x, weights, f"bert.encoder.layer.{n}", config)
    return x


def reference_logits(weights, config, input_ids, token_types):
    """(S,) -> (S, V) scores of the masked-token head, over the true vocabulary only."""
    x = reference_encoder(weights, config, input_ids, token_types)
    x = gelu(linear(x, weights, "cls.predictions.transform.dense"))
    x = layer_norm(x, weights, "cls.predictions.transform.LayerNorm")
    scores = x @ weights["bert.embeddings.word_embeddings.weight"].T + weights["cls.predictions.decoder.bias"]
    return scores[:, : config.vocab_size]


def reference_loss(logits, labels):
    """Sum of the cross-entropies in nats over the labels that are not -100, and their number."""
    terms = [row.logsumexp(0) - row[label] for row, label in zip(logits, labels.tolist(), strict=True) if label != -100]
    return sum(terms, torch.zeros((), dtype=torch.float64)), len(terms)


def reference_kmer_id(word):
    """Ids 0-4 are special; the k-mers follow in the product order of A T C G."""
    return 5 + sum("ATCG".index(letter) * 4**place for place, letter in enumerate(reversed(word)))


def reference_hidden_ids(bases, hidden, k, stride):
    """[CLS] k-mers [SEP] of one window's letters, [MASK] for each that covers one of its hidden bases (L,) bool."""
    starts = range(0, len(bases) - k + 1, stride)
    kmers = [4 if any(hidden[at : at + k]) else reference_kmer_id(bases[at : at + k]) for at in starts]
    return torch.tensor([2, *kmers, 3])


def reference_bits(scores, bases, hidden, k, stride):
    """Bits of each hidden base of one window, in order; `scores` is the model, (S,) ids -> (S, V) logits."""
    words = ["".join(letters) for letters in itertools.product("ACGT", repeat=k)]
    logits = scores(reference_hidden_ids(bases, hidden, k, stride)).double()
    probabilities = logits[:, [reference_kmer_id(word) for word in words]].softmax(-1).tolist()
    bits = []
    for base in (at for at, is_hidden in enumerate(hidden) if is_hidden):
        covering = [(1 + n, at) for n, at in enumerate(range(0, len(bases) - k + 1, stride)) if at <= base < at + k]
        fractions = [
            sum(p for p, word in zip(probabilities[token], words, strict=True) if word[base - at] == bases[base])
            for token, at in covering
        ]
        bits.append(-math.log2(sum(fractions) / len(fractions)))
    return bits
