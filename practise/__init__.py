"""PRACTISE: make a trained network faster from a handful of images, by dropping the blocks that are easiest to recover."""

__version__ = "0.1.0"
