"""Mutation testing of the schedules and policies: `python -m benchmarks.mutation`.

A mutant is the package with one small fault: a `<` for a `<=`, a 2 for a 1, a sum for a difference. The tests of the mutated module
should fail on it; if they don't, the mutant survives, and a test is missing or the fault is none.

cosmic-ray makes the mutants and keeps the session. It would start a new process for each, which with JAX takes longer than the tests
themselves; so they are run in one warm process, which imports the package and its tests anew for each mutant.
"""
