"""Embedded tasks: real models on real data that need no download. Each file has a `task`."""
