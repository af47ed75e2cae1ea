"""Tables and figures, made from result files and from nothing else.

`frames` reads the results of the grid, `tables` writes them as CSV, Markdown, LaTeX and HTML, `figures` draws
from those CSV files, `docs` keeps the rendered copies under `docs/` and in the README.
"""
