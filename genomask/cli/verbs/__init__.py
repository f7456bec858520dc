"""The verbs, one per file of the same name: a function, or a typer app of further verbs. The folder is their list."""
