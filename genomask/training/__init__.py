"""Optimizers, schedule, step and loop, evaluation under fixed masks, checkpoints: a Run in, a trained model out."""
