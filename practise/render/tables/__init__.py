"""The tables: frames from the result files of the grid, and their finished cells."""
