"""Files and folders, safely: named in errors, replaced whole, locked, checked by digest."""
