"""`genomask npmi motifs`: do the words of highest NPMI hold known motifs?"""
