"""Drills: what must not be lost when something fails, tried with real processes. `make drills` runs them all."""
