"""How settings are written and checked: bounds, spelling, names of strategies, tables of recipes."""
