"""What the benchmarks measure with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import _measure, _report
from benchmarks._measure import Spread, compilations, interleave
from benchmarks._report import Row, Target, Topic, compared, show, summary


def test_blocks_take_turns_in_any_order(monkeypatch):
    calls, clock = [], [0.0]
    monkeypatch.setattr(_measure.time, "perf_counter", lambda: clock[0])

    def block(name, takes):
        calls.append(name)
        clock[0] += takes

    blocks = {name: functools.partial(block, name, takes) for name, takes in zip("abc", (1, 2, 4), strict=True)}
    seconds = interleave(blocks, rounds=30, turns=4)
    order = "".join(calls)
    assert order[:12] == "abc" * 4  # for warming up
    turns = [order[i : i + 3] for i in range(12, len(order), 3)]
    assert len(turns) == 120
    assert set(turns) == {"abc", "acb", "bac", "bca", "cab", "cba"}
    for name, takes in zip("abc", (4, 8, 16), strict=True):
        np.testing.assert_array_equal(seconds[name], np.full(30, takes))


def test_ratios_are_taken_within_a_round(monkeypatch):
    """A machine that becomes ten times slower between two rounds changes no ratio."""
    now = [0.0]

    def block(takes):
        now[0] += next(takes)

    monkeypatch.setattr(_measure.time, "perf_counter", lambda: now[0])
    seconds = interleave({"a": functools.partial(block, iter([1, 10])), "b": functools.partial(block, iter([2, 20]))}, rounds=2, warmup=0)
    reference, other = compared(seconds, updates=1, target=Target("<=", 2.0), judged={"b"})
    assert (reference.value, reference.target, reference.detail) == (1.0, None, "5,500,000 us per update")
    assert (other.value, other.low, other.high, other.met) == (2.0, 2.0, 2.0, True)


def test_spread_is_median_and_quartiles():
    assert Spread.of(np.array([5.0, 1.0, 2.0, 4.0, 3.0])) == Spread(3.0, 2.0, 4.0)


def test_compilations_counts_what_is_compiled_meanwhile():
    before, inside = jnp.arange(3.0), jax.jit(lambda x: x * 3 + 1)
    with compilations() as seen:
        inside(before)
        inside(before)
        assert len(seen) == 1
    jax.jit(lambda x: x * 5 - 1)(before)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [("<=", 0.75, True), ("<=", 0.76, False), (">=", 0.75, True), (">=", 0.74, False), ("==", 0.75, True), ("==", 1, False)],
)
def test_target(target, value, met):
    assert Target(target, 0.75).met(value) is met


def test_summary_names_what_is_missed():
    rows = [Row("fast", 0.7, "x", target=Target("<=", 0.75)), Row("slow", 0.8, "x", target=Target("<=", 0.75)), Row("other", 9.0, "x")]
    assert summary({"nnx": Topic("t", rows)}) == "1 of 2 targets met. Missed:\n  nnx: slow (0.800 x, target <= 0.75)"
    assert summary({"nnx": Topic("t", rows[:1])}) == "1 of 1 targets met."


@pytest.mark.parametrize("with_rich", [True, False])
def test_tables_show_every_cell(with_rich, monkeypatch, capsys):
    if not with_rich:
        monkeypatch.setattr(_report, "rich", None)
    rows = [Row("slow", 0.8, "x", 0.7, 0.9, Target("<=", 0.75), "of 100 us"), Row("traces", 1, "", target=Target("==", 1))]
    show(Topic("Title", rows))
    title, *_, slow, traces = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert title == ["Title"]
    assert slow == ["slow", "0.800", "x", "0.700", "to", "0.900", "<=", "0.75", "MISS", "of", "100", "us"]
    assert traces == ["traces", "1", "==", "1", "pass"]
