"""Tests of `rheostax.Optimizer`, and of a control inside `flax.nnx.Optimizer`."""
