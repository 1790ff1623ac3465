"""Reference values in float64 NumPy and plain Python, written from the definitions and not from the source."""
