"""Python reads this first where its folder is on PYTHONPATH: packages that ABSENT names are not to be found."""

import os
import sys

for package in filter(None, os.environ.get("ABSENT", "").split(",")):
    sys.modules[package] = None
