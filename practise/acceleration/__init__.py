"""A network of your own made faster in one call, and kept in a folder that runs anywhere."""
