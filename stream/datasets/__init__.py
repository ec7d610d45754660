"""Public data sets: where each is from, what its licence asks, and how its files become those that training reads.

`catalogue.py` is the table; one data set a file; `fetch.py` is the flow: look, download, convert, check, move in place.
"""
