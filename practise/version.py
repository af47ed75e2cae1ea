"""The version, for whatever tells it; the package itself is the face of the project and imports more."""

__version__ = "0.1.0"
