"""Testers of the encoders for transformers' common tests: ours in two forms, and BERT for comparison.

`tests` here is the folder of transformers' source distribution (see run.py).
"""

import tempfile
import unittest
from pathlib import Path

import torch
from pipelines import PIPELINES, WORDS
from tests.test_configuration_common import ConfigTester
from tests.test_modeling_common import ModelTesterMixin
from tests.test_pipeline_mixin import PipelineTesterMixin
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
)
from transformers.models.auto import modeling_auto

from genomask.encoders import (
    MosaicBertConfig,
    MosaicBertForMaskedLM,
    MosaicBertForSequenceClassification,
    MosaicBertForTokenClassification,
    MosaicBertModel,
)
from tests import test_pipeline_mixin

BERTS = (BertModel, BertForMaskedLM, BertForSequenceClassification, BertForTokenClassification)
OURS = (
    MosaicBertModel,
    MosaicBertForMaskedLM,
    MosaicBertForSequenceClassification,
    MosaicBertForTokenClassification,
)
LISTS = ("", "_FOR_MASKED_LM", "_FOR_SEQUENCE_CLASSIFICATION", "_FOR_TOKEN_CLASSIFICATION")

# The common tests look up in these lists what labels a class takes; models within transformers are in them.
for part, head in zip(LISTS, OURS, strict=True):
    getattr(modeling_auto, f"MODEL{part}_MAPPING_NAMES")[MosaicBertConfig.model_type] = head.__name__
test_pipeline_mixin.pipeline_test_mapping.update(PIPELINES)


class EncoderTester:
    """Tiny configurations and random inputs."""

    batch_size, seq_length, num_labels, is_training = 3, 7, 3, True
    hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size = 32, 2, 4, 37, 99

    def __init__(self, config_class, **settings):
        self.config_class, self.settings = config_class, settings

    def get_config(self, **changes):
        sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
        shape = {name: getattr(self, name) for name in sizes} | {"max_position_embeddings": 64}
        return self.config_class(**(shape | self.settings | {"num_labels": self.num_labels} | changes))

    def prepare_config_and_inputs_for_common(self):
        ids = torch.randint(1, self.vocab_size, (self.batch_size, self.seq_length))
        types = torch.randint(0, 2, ids.shape)
        return self.get_config(), {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": types}


class CommonTests(ModelTesterMixin, PipelineTesterMixin):
    """What the classes below share; `heads` are the encoder, then masked LM, sequence and token classification."""

    config_class: type
    heads: tuple
    settings: dict = {}  # noqa: RUF012  a plain attribute, as the mixins have them

    @classmethod
    def setUpClass(cls):
        """Save the tiny models that pipelines are tested on, in place of those on the hub."""
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        config = EncoderTester(cls.config_class, **cls.settings).get_config(vocab_size=len(WORDS))
        for head in cls.heads:
            folder = Path(cls.folder.name) / config.model_type / head.__name__
            head(config).save_pretrained(folder)
            BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(folder)
            files = {"tokenizer_classes": ["BertTokenizer"], "processor_classes": []}
            test_pipeline_mixin.tiny_model_summary[head.__name__] = files

    def setUp(self):
        self.all_model_classes = self.heads
        self.pipeline_model_mapping = dict(zip(PIPELINES, self.heads, strict=True))
        self.model_tester = EncoderTester(self.config_class, **self.settings)
        self.config_tester = ConfigTester(self, config_class=self.config_class, hidden_size=36, num_attention_heads=4)
        test_pipeline_mixin.TRANSFORMERS_TINY_MODEL_PATH = self.folder.name

    def test_config(self):
        self.config_tester.run_common_tests()


class Bert(CommonTests, unittest.TestCase):
    config_class, heads = BertConfig, BERTS


class AlibiAndGlu(CommonTests, unittest.TestCase):
    config_class, heads = MosaicBertConfig, OURS


class LearnedAndDense(CommonTests, unittest.TestCase):
    config_class, heads = MosaicBertConfig, OURS
    settings = {"positions": "learned", "mlp": "dense"}  # noqa: RUF012  as above
