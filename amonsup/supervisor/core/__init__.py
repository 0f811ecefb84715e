"""The engine: pure rules. It never asks the clock, the kernel or the network; it is told."""
