"""`genomask bench`: models on a suite of tasks, beside the floors."""
