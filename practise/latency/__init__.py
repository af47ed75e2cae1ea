"""Measured latency: how it is taken, what each block saves, and what this machine has measured before."""
