"""Tests of rheostax; the folders mirror `src/rheostax`."""
