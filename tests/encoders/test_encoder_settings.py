import dataclasses

import pytest

from genomask.encoders import EncoderSettings
from genomask.errors import SettingsError


def test_the_defaults_are_mosaicbert_base():
    config = EncoderSettings().config(vocab_size=30522)
    sizes = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size)
    assert sizes == (12, 768, 12, 3072)
    assert (config.positions, config.mlp, config.layer_norm_eps) == ("alibi", "glu", 1e-12)
    assert config.padded_vocab_size == 30528


def test_every_setting_reaches_the_config():
    settings = EncoderSettings(
        num_hidden_layers=3,
        hidden_size=24,
        num_attention_heads=3,
        intermediate_size=17,
        hidden_dropout_prob=0.25,
        positions="learned",
        stem_width=3,
        stem_fraction=0.5,
        mlp="dense",
        max_position_embeddings=77,
        attention_backend="sdpa",
        low_precision_layernorm=False,
        unpadding=False,
        head_on_masked_only=False,
    )
    config = settings.config(vocab_size=9, pad_token_id=2)
    for field in dataclasses.fields(settings):
        assert getattr(config, field.name) == getattr(settings, field.name) != field.default
    assert (config.vocab_size, config.padded_vocab_size, config.pad_token_id) == (9, 64, 2)


def test_a_bad_setting_is_refused_where_it_is_made():
    with pytest.raises(SettingsError, match="positions = 'rope' is not one of"):
        EncoderSettings(positions="rope")
