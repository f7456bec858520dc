"""Any model folder opened and run: hidden states and logits of sequences."""
