"""Tables and figures, made from result files and from nothing else.

`tables` reads the results of the grid and writes them as CSV, Markdown, LaTeX and HTML, `figures` draws from
those CSV files, `docs` keeps the rendered copies under `docs/` and in the README.
"""
