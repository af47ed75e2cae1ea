"""A params file: its schema, what is wrong with one, the grid, and the recipe of each method."""
