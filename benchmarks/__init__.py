"""Measurements of the project's own: `python -m benchmarks.score` and its neighbours; see README.md here."""
