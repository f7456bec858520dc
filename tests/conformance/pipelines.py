"""Checks of each task's pipeline; transformers' own checks are not in its source distribution.

Its common tests open the tiny models, build the pipeline with these classes, and run it on batches as well.
"""

from transformers import pipeline

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
EXAMPLES = ["a b c [MASK] e", "[MASK] f g"]


class OfTask:
    """The two steps that transformers' tests call."""

    task: str

    def get_test_pipeline(self, model, tokenizer, dtype="float32", **_):
        return pipeline(self.task, model=model, tokenizer=tokenizer, dtype=dtype), EXAMPLES

    def run_pipeline_test(self, pipe, examples):
        answers = [pipe(example) for example in examples]
        assert len(pipe(examples)) == len(answers) == 2
        for example, answer in zip(examples, answers, strict=True):
            self.check(answer, len(example.split()) + 2, pipe.model.config)


class FeatureExtraction(OfTask):
    task = "feature-extraction"

    def check(self, answer, tokens, config):
        assert len(answer[0]) == tokens
        assert len(answer[0][0]) == config.hidden_size


class FillMask(OfTask):
    task = "fill-mask"

    def check(self, answer, tokens, config):
        assert len(answer) == 5
        assert all(0 <= x["token"] < config.vocab_size and 0 < x["score"] <= 1 for x in answer)
        assert [x["score"] for x in answer] == sorted((x["score"] for x in answer), reverse=True)


class TextClassification(OfTask):
    task = "text-classification"

    def check(self, answer, tokens, config):
        assert len(answer) == 1
        assert answer[0]["label"] in config.id2label.values()


class TokenClassification(OfTask):
    task = "token-classification"

    def check(self, answer, tokens, config):
        assert len(answer) == tokens - 2
        assert all(x["entity"] in config.id2label.values() for x in answer)


PIPELINES = {kind.task: {"test": f"pipelines.{kind.__name__}"} for kind in OfTask.__subclasses__()}
