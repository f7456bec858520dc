"""genomask: masked language models of your own genome, or of English text, with honest evidence."""

__version__ = "0.1.0"
