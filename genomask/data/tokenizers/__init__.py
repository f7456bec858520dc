"""Tokenizers of DNA and of text."""
