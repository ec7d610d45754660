"""Measurements of one or several systems on held-out sequences, one protocol a file; each gives a `Report`."""
