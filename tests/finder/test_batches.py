"""Batches of every kind, and how many are gone afterwards."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from rheostax.errors import ArgumentError
from rheostax.finder.batches import Source, stacked


def take(source, repeat, count):
    return [int(batch) for batch in itertools.islice(source.stream(repeat), count)]


@pytest.mark.parametrize("batches", [list(range(5)), tuple(range(5)), np.arange(5), jnp.arange(5)], ids=["list", "tuple", "numpy", "jax"])
def test_what_is_at_hand_comes_in_its_order_first_and_in_others_later(batches):
    source = Source(batches)
    first, again, second = take(source, 0, 10), take(source, 0, 10), take(source, 1, 10)
    assert first[:5] == [0, 1, 2, 3, 4]
    assert sorted(first[5:]) == sorted(second[:5]) == sorted(second[5:]) == [0, 1, 2, 3, 4]
    assert len({tuple(part) for part in (first[:5], first[5:], second[:5], second[5:])}) == 4
    assert again == first
    assert source.taken == 30


def test_a_loader_is_read_again():
    class Loader:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter([10 * self.passes, 10 * self.passes + 1])

    assert take(Source(Loader()), 0, 5) == [10, 11, 20, 21, 30]


def test_an_iterator_is_read_on_and_no_further_than_needed():
    batches = iter(range(100))
    source = Source(batches)
    assert take(source, 0, 4) + take(source, 1, 4) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert next(batches) == 8
    assert source.taken == 8


def test_a_function_makes_the_batches_of_a_repeat():
    source = Source(lambda repeat: iter([repeat] * 3))
    assert take(source, 2, 9) == [2, 2, 2]
    assert take(Source(lambda repeat: [7, 8]), 3, 2) == [7, 8]


def test_repeats_together_are_stacked():
    first, second = itertools.islice(Source(lambda repeat: np.arange(3) + 10 * repeat).streams(2), 2)
    assert (first.tolist(), second.tolist()) == ([0, 10], [1, 11])


def test_stacking_keeps_what_is_on_a_device_there():
    assert isinstance(stacked([np.ones(2), np.ones(2)]), np.ndarray)
    assert not isinstance(stacked([jnp.ones(2), jnp.ones(2)]), np.ndarray)
    with pytest.raises(ArgumentError, match=r"one shape, but one has \[\(2,\)\] and another, 1 after it, \[\(1,\)\]\. Leave out a last"):
        stacked([np.ones(2), np.ones(1)])
    with pytest.raises(ArgumentError, match="one structure"):
        stacked([np.ones(2), (np.ones(2),)])


@pytest.mark.parametrize(
    ("batches", "says"),
    [
        ({"x": 1}, r"got dict\. One batch alone is \[batch\]"),
        ("text", "got str"),
        (3, "got int"),
        ([], "at least one batch, got none"),
        (lambda repeat: 3, r"batches\(0\) must return a list .* got int"),
    ],
)
def test_what_is_no_batches(batches, says):
    with pytest.raises(ArgumentError, match=says):
        take(Source(batches), 0, 1)


def test_a_loader_that_cannot_be_read_again():
    class Once:
        def __init__(self):
            self.left = iter(range(2))

        def __iter__(self):
            return self.left

    with pytest.raises(ArgumentError, match="at least one batch"):
        take(Source(Once()), 0, 3)
