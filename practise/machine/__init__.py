"""This machine: what it is, what computes on it, and what a result was made with."""
