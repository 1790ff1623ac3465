"""Our compatibility functions against the libraries themselves, run by `make parity`."""
