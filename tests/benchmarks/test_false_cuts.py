"""The bank of curves and the rules of `make false-cuts`: what is said of them is so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from benchmarks.false_cuts import bank, logs, rules
from benchmarks.false_cuts.bank import BLOCK, FAMILIES, LEAST, RTOL, STEPS, TAILS, WINDOW
from benchmarks.false_cuts.measure import interval


def test_where_progress_ends():
    """On the family of plateaus it is known: once so much of the last window is flat that the rest falls by too little."""
    random = np.random.default_rng(0)
    speed, end = random.uniform(2, 6, (5, 1)), random.uniform(4, 14, (5, 1)) * WINDOW
    curve = FAMILIES["plateau"](np.random.default_rng(0), 5)
    np.testing.assert_array_equal(curve, -speed * LEAST * np.minimum(np.arange(STEPS), end))
    want = end + WINDOW * (1 - 1 / speed)
    assert np.all(np.abs(bank.progress_ends(curve) - want[:, 0]) <= 1)
    for name in ("least progress", "stairs", "late drop"):
        assert np.all(bank.progress_ends(FAMILIES[name](np.random.default_rng(1), 3)) == STEPS)


@pytest.mark.parametrize("tail", range(len(TAILS)))
def test_the_noise_is_what_is_said(tail):
    correlation, runs = jnp.full(64, 0.8), 64

    def step(before, key):
        block = bank.autoregressive(before, correlation, bank.innovations(key, jnp.full(runs, tail), BLOCK))
        return block[:, -1], block

    keys = jax.random.split(jax.random.key(tail), 400)
    blocks = np.asarray(jax.jit(lambda keys: jax.lax.scan(step, jnp.zeros(runs), keys)[1])(keys))
    noise = blocks.transpose(1, 0, 2).reshape(runs, -1)[:, 320:]
    assert abs(noise.mean()) < 0.02
    assert 0.85 < noise.var() < 1.15
    assert abs(np.mean(noise[:, 1:] * noise[:, :-1]) / noise.var() - 0.8) < 0.02


def test_the_oracle_takes_least_squares_slopes():
    values = np.random.default_rng(2).standard_normal((80, 1))
    slopes = [np.polyfit(np.arange(length), values[80 - length :, 0], 1)[0] for length in (64, 74)]
    spread = [length * (length**2 - 1) / 12 for length in (64, 74)]
    want = max((slope + LEAST * BLOCK) * np.sqrt(s) for slope, s in zip(slopes, spread, strict=True))
    earlier = rules.slopes(values[:79], 1.0)[-1, 0]
    assert rules.slopes(values, 1.0)[-1, 0] == pytest.approx(max(want, earlier))


def test_blocks_are_as_good_as_single_losses():
    """The measurement gives our rule the means of blocks; it cuts where it does when it hears every loss."""
    steps = 4 * WINDOW
    losses = np.float32(1 + 0.02 * np.random.default_rng(3).standard_normal((steps, 1)))
    strength = np.asarray(rules.ours(jnp.asarray(losses.reshape(-1, BLOCK, 1).mean(1))))
    rate = rx.Constant(1.0) * rx.ReduceOnStatisticalPlateau(window=WINDOW, rtol=RTOL, alpha=0.01)
    rates = rx.simulate(rate, steps, {"value": losses[:, 0]})
    assert rules.first(strength >= np.log(100))[0] == np.argmax(rates < 1) + 1 < steps


def test_interval():
    assert interval(0, 384) == pytest.approx((0.0, 0.00956), abs=1e-5)
    assert interval(5, 100) == pytest.approx((0.01643, 0.11284), abs=1e-5)


def test_logs(tmp_path):
    (tmp_path / "flat.csv").write_text("step,train_loss\n0,\n" + "".join(f"{k},1.0\n" for k in range(600)))
    (tmp_path / "short.csv").write_text("step,loss\n0,1.0\n1,0.5\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    ((name, losses, *cuts),) = logs.rows(tmp_path)
    assert (name, losses) == ("flat", "600")
    assert all(cut.isdigit() for cut in cuts[:3])
