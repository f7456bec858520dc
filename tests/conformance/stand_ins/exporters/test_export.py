"""Stands in for transformers' tests of export, which are not in its source distribution."""


class ExportTesterMixin:
    """No test."""
