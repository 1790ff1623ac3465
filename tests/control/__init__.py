"""Tests of `rheostax.control` and the state it makes."""
