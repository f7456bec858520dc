"""Stands where transformers keeps its tests of generation, which are not in its source distribution."""


class GenerationTesterMixin:
    """No test: an encoder generates nothing."""
