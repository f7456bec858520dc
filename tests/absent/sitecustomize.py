"""Python runs this first if its folder is on PYTHONPATH: packages named in ABSENT cannot be imported."""

import os
import sys

for package in filter(None, os.environ.get("ABSENT", "").split(",")):
    sys.modules[package] = None
