"""False cuts of plateau rules, and how long they wait on a plateau: `python -m benchmarks.false_cuts`."""
