"""Every schedule against its definition, operation by operation instead of compiled, on a few thousand pairs of length and count.

Nothing is compiled but single operations, all of one shape, so a schedule takes a fraction of a second here: enough counts to
notice any wrong sign, bound or number. `test_values.py` and `test_cycles.py` ask for the same, compiled and for many more counts.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from tests.oracles import pieces as oracle
from tests.schedules import test_values as values
from tests.support import single, ulps

SIZE = 6144  # of the vectors of all families alike
LONG = (100_000, 2**24 + 1, 100_000_000, 2_000_000_000)


def pairs():
    """Lengths and counts: all of every length up to 36, the ends of some longer ones, and the ends and middles of the longest."""
    random = np.random.default_rng(11)
    found = [(length, count) for length in range(1, 37) for count in range(length + 3)]
    for length in range(37, 2001, 41):
        found += [(length, count) for count in (0, 1, length // 2, length - 1, length, length + 1)]
    for length in LONG:
        ends = [*range(24), *range(length - 24, length + 24), *range(length // 2 - 8, length // 2 + 8)]
        found += [(length, count) for count in (*ends, *random.integers(0, length, 60).tolist())]
    assert 2 * len(found) < SIZE
    return np.array(found)


PAIRS = pairs()


FAMILIES = {name: family for name, family in values.FAMILIES.items() if family.names and family.schedule is not rx.Noise}


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    family = FAMILIES[name]
    random, rows = np.random.default_rng(3), single(family.rows)
    each = np.concatenate([PAIRS, PAIRS, PAIRS[random.integers(0, len(PAIRS), SIZE - 2 * len(PAIRS))]])
    chosen = np.concatenate([np.zeros(len(PAIRS), int), random.integers(0, len(rows), SIZE - len(PAIRS))])
    lengths, counts = each.T
    with jax.debug_nans(True):  # nothing on the way is NaN, not even where it isn't chosen: whoever looks for NaN finds their own
        got = np.asarray(family.at(tuple(jnp.float32(rows[chosen]).T), jnp.int32(lengths), jnp.int32(counts)))
    want = np.zeros(SIZE)
    for i, row in enumerate(rows):
        here = chosen == i
        want[here] = family.reference(
            counts[here], **dict(zip(family.names, row, strict=True)), **family.length(lengths[here]), **family.static
        )
    off = ulps(got, want) / np.where(np.abs(want) < values.DEEP, 2 / values.LIMIT, 1)
    worst = off.argmax()
    assert off[worst] <= values.LIMIT, (off[worst], rows[chosen[worst]], each[worst], got[worst], want[worst])
    if family.starts:
        np.testing.assert_array_equal(got[counts == 0], want[counts == 0].astype(np.float32))


def marks(n):
    return n // 3 + 1, n // 2 + 2, n + 3


PIECES = {
    "step": (rx.Step, oracle.step, lambda n: {"transition_steps": n // 7 + 1}, {"init_value": 0.3, "factor": 0.7}),
    "multi-step": (rx.MultiStep, oracle.multi_step, lambda n: {"boundaries": marks(n)}, {"init_value": 0.3, "factor": 0.1}),
    "constants": (
        rx.PiecewiseConstant, oracle.piecewise_constant, lambda n: {"boundaries": marks(n)}, {"values": (0.3, 0.05, 0.6, 0.01)},
    ),
}  # fmt: skip


def add(name, schedule, reference, length, **changes):
    PIECES[name] = (schedule, reference, length, changes)


for way in ("linear", "cosine"):
    fixed = {"values": (0.3, 0.05, 0.6, 0.01), "interpolation": way}
    add(f"pieces, {way}", rx.PiecewiseInterpolate, oracle.piecewise_interpolate, lambda n: {"boundaries": marks(n)}, **fixed)
for name, changes in {
    "cosine": {}, "three lines": {"three_phase": True, "interpolation": "linear", "pct_start": 0.21}, "past its peak": {"pct_start": -0.2},
    "from zero to zero": {"init_value": 0.0, "end_value": 0.0, "pct_start": 0.45},
    "upside down": {"init_value": 0.5, "peak_value": 0.001, "end_value": 0.2, "three_phase": True, "pct_start": 0.4},
}.items():  # fmt: skip
    fixed = {"init_value": 0.01, "peak_value": 0.3, "end_value": 1e-6, **changes}
    add(f"one cycle, {name}", rx.OneCycle, oracle.one_cycle, lambda n: {"total_steps": n}, **fixed)
for name, changes in {
    "triangular": {}, "triangular2": {"amplitude_factor": 0.5, "init_value": 0.0}, "exp_range": {"decay_rate": 0.9999},
    "cosine": {"interpolation": "cosine", "peak_value": 0.0, "init_value": 0.2},
}.items():  # fmt: skip
    fixed = {"init_value": 0.01, "peak_value": 0.3, **changes}
    add(f"cyclic, {name}", rx.Cyclic, oracle.cyclic, lambda n: {"up_steps": n // 2 + 1, "down_steps": n // 3 + 1}, **fixed)
for name, changes in {
    "even": {}, "longer": {"length_factor": 2, "amplitude_factor": 0.8},
    "three times": {"length_factor": 3, "peak_factor": 0.5, "limit": 3},
}.items():  # fmt: skip
    fixed = {"init_value": 0.3, "end_value": 0.001, **changes}
    add(f"restarts, {name}", rx.CosineRestarts, oracle.cosine_restarts, lambda n: {"decay_steps": n // 3 + 1}, **fixed)


@pytest.mark.parametrize("name", PIECES)
def test_pieces(name):
    """One schedule per length, all with as many counts; its own numbers are Python's."""
    schedule, reference, length, fixed = PIECES[name]
    random = np.random.default_rng(5)
    for n in (1, 2, 5, 30, 77, 1999, *LONG):
        edges = {edge + d for edge in (0, *marks(n), n, 2 * n, n // 7 + 1, n // 3) for d in (-1, 0, 1)}
        counts = np.array([*edges, *random.integers(0, 3 * n + 5, 96 - len(edges))]).clip(0, 2**31 - 1)
        rate = schedule(**fixed, **length(n))
        got, want = np.asarray(rate(counts)), reference(counts, **fixed, **length(n)).astype(np.float64)
        off = ulps(got, want)
        assert off.max() <= 1, (n, counts[off.argmax()], got[off.argmax()], want[off.argmax()])
        if rate.horizon is not None:
            last = rate.values[-1] if hasattr(rate, "values") else rate.end_value
            assert np.all(got[counts >= rate.horizon] == np.float32(last))
