"""Speed and memory beside plain Flax and Optax: `python -m benchmarks`, one file per topic."""
