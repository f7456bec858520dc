"""Checkpoints as others save them, made from their definitions alone, without any model of ours.

Letters: R rows of the embedding, D width, I inner width of the MLP.
"""

from types import SimpleNamespace

import torch

MOSAICBERT = {
    "model_type": "bert",
    "architectures": ["BertForMaskedLM"],
    "auto_map": {"AutoModelForMaskedLM": "bert_layers.BertForMaskedLM"},
    "vocab_size": 72,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 40,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "alibi_starting_size": 512,
}


def original_shapes(config, rows):
    """The parameters of the published MosaicBERT, spelled out: name -> shape."""
    d, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "bert.embeddings.word_embeddings.weight": (rows, d),
        "bert.embeddings.token_type_embeddings.weight": (2, d),
        "bert.embeddings.LayerNorm.weight": (d,),
        "bert.embeddings.LayerNorm.bias": (d,),
        "cls.predictions.transform.dense.weight": (d, d),
        "cls.predictions.transform.dense.bias": (d,),
        "cls.predictions.transform.LayerNorm.weight": (d,),
        "cls.predictions.transform.LayerNorm.bias": (d,),
        "cls.predictions.decoder.bias": (rows,),
    }
    for n in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{n}"
        shapes |= {
            f"{layer}.attention.self.Wqkv.weight": (3 * d, d),
            f"{layer}.attention.self.Wqkv.bias": (3 * d,),
            f"{layer}.attention.output.dense.weight": (d, d),
            f"{layer}.attention.output.dense.bias": (d,),
            f"{layer}.attention.output.LayerNorm.weight": (d,),
            f"{layer}.attention.output.LayerNorm.bias": (d,),
            f"{layer}.mlp.gated_layers.weight": (2 * inner, d),
            f"{layer}.mlp.wo.weight": (d, inner),
            f"{layer}.mlp.wo.bias": (d,),
            f"{layer}.mlp.layernorm.weight": (d,),
            f"{layer}.mlp.layernorm.bias": (d,),
        }
    return shapes


def original_checkpoint(rows=72, **changes):
    """(config, state dict) of a random MosaicBERT whose embedding has `rows` rows."""
    config = MOSAICBERT | changes
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in original_shapes(config, rows).items():
        scale_of_norm = "norm" in name.lower() and name.endswith("weight")
        state[name] = 0.2 * torch.randn(shape, generator=generator) + float(scale_of_norm)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    return config, state


def for_the_twin(config, state):
    """What the float64 twin takes: weights (float64 leaves that collect gradients) and its config."""
    weights = {
        name: x.double().requires_grad_() for name, x in state.items() if name != "cls.predictions.decoder.weight"
    }
    return weights, SimpleNamespace(**config, positions="alibi", mlp="glu", stem_width=1)
