"""`python -m genomask`."""

from genomask.cli.app import main

main()
