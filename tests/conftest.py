"""Shared set-up of the tests."""

import os

# Before jax starts: eight CPU devices for the sharding tests, and no look for accelerators.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
