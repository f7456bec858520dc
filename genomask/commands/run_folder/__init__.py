"""What a run leaves: its folder, the model's card, the report on it."""
