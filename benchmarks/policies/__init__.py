"""Rules for the learning rate, tuned alike and compared on small tasks: `python -m benchmarks.policies`."""
