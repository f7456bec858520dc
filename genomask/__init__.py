"""genomask: masked language models of your own genome, or of English text, with honest evidence."""

from genomask.auto_classes import register_when_used

__version__ = "0.2.0"

register_when_used()
