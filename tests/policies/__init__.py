"""Tests of `rheostax.policies`."""
