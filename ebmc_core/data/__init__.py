"""Data sets: unimodal feature arrays, and the tri-modal windows paired from them."""
