"""Benchmarks of the running pipeline: real clips fed at their own pace, whether it keeps up or not."""
