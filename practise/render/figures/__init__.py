"""The figures, drawn from the tables' CSV files."""
