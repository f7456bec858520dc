"""Changes to the demo recipe that make it train in a second."""

QUICK = (
    "tokens.k=3",
    "windows.max_tokens=64",
    "windows.validation_windows=4",
    "encoder.hidden_size=32",
    "encoder.num_attention_heads=2",
    "encoder.intermediate_size=32",
    "training.steps=20",
    "training.sequences_per_step=8",
    "training.tokens_per_microbatch=300",
    "training.log_every=1",
    "training.checkpoint_every=10",
    "evaluation.every=10",
    "optimizer.warmup_steps=4",
    "optimizer.learning_rate=3e-3",
)
