"""`genomask variants`: a VCF scored by a masked model, written as a table or as a VCF, and compared with labels."""
