"""Files and folders that are read and written safely: named in errors, replaced whole, locked, with digests."""
