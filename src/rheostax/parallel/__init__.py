"""Several devices and several processes, on JAX's own runtime: start, spread, reduce what is observed, and make sure of one rate."""

from rheostax._processes import independent
from rheostax.parallel._agreement import Agreement, check_agreement
from rheostax.parallel._placing import data_mesh, place, shard_batch
from rheostax.parallel._reduce import reduce_metrics
from rheostax.parallel._start import initialize

__all__ = ["Agreement", "check_agreement", "data_mesh", "independent", "initialize", "place", "reduce_metrics", "shard_batch"]
