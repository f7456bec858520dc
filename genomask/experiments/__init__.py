"""What runs several rooms: pretraining from a recipe, comparing strategies, the demo."""
