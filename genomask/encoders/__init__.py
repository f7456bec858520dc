"""The encoder: MosaicBERT over packed tokens, for DNA and text alike.

Importing it registers the models with transformers' Auto classes.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from genomask.encoders.backends import choose_backend
from genomask.encoders.classifiers import MosaicBertForSequenceClassification, MosaicBertForTokenClassification
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.encoders.model import MosaicBertModel
from genomask.encoders.settings import EncoderSettings

AutoConfig.register(MosaicBertConfig.model_type, MosaicBertConfig)
AutoModel.register(MosaicBertConfig, MosaicBertModel)
AutoModelForMaskedLM.register(MosaicBertConfig, MosaicBertForMaskedLM)
AutoModelForSequenceClassification.register(MosaicBertConfig, MosaicBertForSequenceClassification)
AutoModelForTokenClassification.register(MosaicBertConfig, MosaicBertForTokenClassification)

__all__ = [
    "EncoderSettings",
    "MosaicBertConfig",
    "MosaicBertForMaskedLM",
    "MosaicBertForSequenceClassification",
    "MosaicBertForTokenClassification",
    "MosaicBertModel",
    "choose_backend",
]
