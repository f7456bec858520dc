"""One file, or folder, a verb: what runs several rooms, for the command line and for Python."""
