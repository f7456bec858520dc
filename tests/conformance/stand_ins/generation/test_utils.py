"""Stands in for transformers' tests of generation, which are not in its source distribution."""


class GenerationTesterMixin:
    """No test: an encoder generates nothing."""
