"""Many updates without a fetch: the same result whichever way they are dispatched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rheostax._loop import has_convolution, make_loop


def plain(state, x):
    return state * 0.5 + x.sum(), {"sum": x.sum(), "state": state}


def convolving(state, x):
    image = x.reshape(1, 1, 2, 2)
    return state * 0.5 + jax.lax.conv(image, jnp.ones((1, 1, 2, 2)), (1, 1), "VALID")[0, 0, 0, 0], {"sum": x.sum(), "state": state}


def nested(state, x):
    return jax.lax.cond(state > -1, convolving, plain, state, x)


@pytest.mark.parametrize("update", [plain, convolving, nested])
def test_one_update_per_row_in_order(update):
    rows = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    state, expected = 1.0, []
    for row in rows:
        expected.append((state, row.sum()))
        state = state * 0.5 + row.sum()
    found, outputs = make_loop(update)(jnp.float32(1.0), rows)
    assert found == state
    np.testing.assert_array_equal(np.transpose([outputs["state"], outputs["sum"]]), expected)


@pytest.mark.parametrize(("update", "expected"), [(plain, False), (convolving, True), (nested, True), (jax.jit(nested), True)])
def test_a_convolution_is_found_wherever_it_is(update, expected):
    """Within a loop on a CPU it is slow: 1,000 of these took twenty times as long."""
    assert has_convolution(jax.make_jaxpr(update)(1.0, jnp.ones(4)).jaxpr) is expected


def test_a_loop_with_a_convolution_is_no_loop_on_a_cpu(monkeypatch):
    monkeypatch.setattr(jax.lax, "scan", None)
    make_loop(convolving)(jnp.float32(1.0), np.ones((3, 4), np.float32))
    with pytest.raises(TypeError):
        make_loop(plain)(jnp.float32(1.0), np.ones((3, 4), np.float32))
