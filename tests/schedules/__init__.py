"""Tests of `rheostax.schedules`."""
