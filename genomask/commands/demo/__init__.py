"""`genomask demo`: a simulated genome with planted motifs, and what masking makes of it."""
