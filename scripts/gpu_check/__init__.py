"""Measures aprove and its kernels on an NVIDIA GPU, and holds its results to those of the CPU.

`plan` knows the parts and gives each its time, `run` runs them one by one in processes of their own, `machine` says
where, `judge` knows the targets, `report` has the words. `driver`, `cublas`, `weights`, `products` and `bits` are what
several parts share. Python's standard library and the driver are all that it needs.
"""
