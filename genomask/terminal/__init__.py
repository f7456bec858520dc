"""The terminal while a command runs: messages, progress bars, log lines."""
