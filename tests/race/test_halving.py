"""How far rungs go, with how many candidates, and what that costs."""

import itertools
import math

import pytest

from rheostax.errors import ArgumentError
from rheostax.race import rungs


def cost(plan):
    begins = [0, *(rung.end for rung in plan)]
    return sum((rung.end - begin) * rung.entrants for begin, rung in zip(begins, plan, strict=False))


def test_sixteen_candidates_cost_five_full_runs():
    assert rungs(16, 800) == ((100, 16), (200, 8), (400, 4), (800, 2))
    assert cost(rungs(16, 800)) == 5 * 800


def test_one_candidate_is_a_run():
    assert rungs(1, 7) == ((7, 1),)


@pytest.mark.parametrize("halving", [2, 3, 4])
def test_every_race_ends_with_a_few_at_the_full_length(halving):
    for candidates, steps, chunk in itertools.product([1, 2, 3, 5, 9, 17, 100], [1, 3, 50, 1_000], [1, 7, 64]):
        plan = rungs(candidates, steps, halving=halving, chunk=chunk)
        ends, entrants = [rung.end for rung in plan], [rung.entrants for rung in plan]
        assert ends == sorted(set(ends))
        assert ends[-1] == steps
        assert entrants[0] == candidates
        assert all(end % chunk == 0 for end in ends[:-1])
        assert all(
            after >= math.ceil(before / halving) or len(plan) < math.log(candidates, halving)
            for before, after in itertools.pairwise(entrants)
        )
        assert entrants == sorted(entrants, reverse=True)
        if steps == 1_000 and chunk == 1:
            assert entrants[-1] <= halving
            rounds = max(1, math.ceil(math.log(candidates, halving) - 1e-9))
            assert cost(plan) <= steps * halving * (1 + (rounds - 1) * (halving - 1) / halving) * 1.02 + candidates


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"candidates": 0, "steps": 10}, "candidates must be a whole number >= 1, got 0"),
        ({"candidates": 4, "steps": 0}, "steps must be a whole number >= 1, got 0"),
        ({"candidates": 4, "steps": 10, "halving": 1}, "halving must be a whole number >= 2, got 1"),
        ({"candidates": 4, "steps": 10, "chunk": 0.5}, "chunk must be a whole number >= 1, got 0.5"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        rungs(**arguments)
