"""Scores of blocks by every criterion; recoverability with its adaptors above all."""
