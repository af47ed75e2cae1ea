"""PRACTISE: make a trained network faster from a handful of images, by dropping the right blocks."""

__version__ = "0.1.0"
