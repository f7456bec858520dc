"""The verbs, one a file that bears its name: a function, or a typer app of further verbs. The folder is their list."""
