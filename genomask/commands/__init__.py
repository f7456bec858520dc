"""One file or folder per verb, which combines the other rooms, for the command line and for Python."""
