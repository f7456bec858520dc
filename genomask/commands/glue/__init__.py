"""`genomask glue`: a model of text in, its scores on the tasks of GLUE, beside floors, out."""
