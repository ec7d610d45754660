"""The model registry: which weights exist, where they come from, and how a machine gets them once.

`registry.py` is the table, `fetching.py` the flow: one process at a time collects the files, every one is checked
against its sha256, and the whole enters the cache in one rename, so that a cache folder is either whole or absent.
`fetch` is set-up's work; what runs asks `installed` and does not reach for the network.
"""

from stream.weights.cache import State, cache_folder, installed, state_of
from stream.weights.entry import WeightEntry
from stream.weights.fetching import fetch
from stream.weights.registry import DEFAULTS, WEIGHTS, find_entry
from stream.weights.sources import LocalFolder, WebFolder, WeightSource, WheelFile, WheelParts

__all__ = [
    "DEFAULTS",
    "WEIGHTS",
    "LocalFolder",
    "State",
    "WebFolder",
    "WeightEntry",
    "WeightSource",
    "WheelFile",
    "WheelParts",
    "cache_folder",
    "fetch",
    "find_entry",
    "installed",
    "state_of",
]
