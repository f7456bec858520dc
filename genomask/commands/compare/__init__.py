"""`genomask compare`: arms, the processes they run in, and the evidence as a page and in words."""
