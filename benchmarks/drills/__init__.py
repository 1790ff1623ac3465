"""Drills: what is promised under faults, tried with real processes, and its figures. `make drills` runs them all."""
