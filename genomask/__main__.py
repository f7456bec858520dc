"""`python -m genomask`."""

from genomask.cli import main

main()
