"""`genomask compare`: arms, the processes they run in, their evidence as page and words."""
