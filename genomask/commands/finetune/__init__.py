"""`genomask finetune`: a model folder and a table of examples in, a trained classifier with its scores out."""
