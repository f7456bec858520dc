"""`genomask glue`: a text model in; its scores on the GLUE tasks, beside floors, out."""
