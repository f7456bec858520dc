"""What is kept of a run: its folder, the model's card, the report on it."""
