"""Time to trace, lower and compile a step."""

from __future__ import annotations

from collections.abc import Callable

import jax
import optax

from benchmarks import _workload as work
from benchmarks._measure import interleave
from benchmarks._report import Topic, compared
from benchmarks.update_jax import SMALL, arguments, make_step


def run(quick: bool = False) -> Topic:
    candidates = {
        "optax.adam, constant rate": work.adam,
        "adam + optax plateau": work.adam_with_optax_plateau,
        "inject_hyperparams(adam), schedule": work.injected_adam,
        "rx.control, constant rate": work.constant_controlled_adam,
        "rx.control, schedule x plateau": work.controlled_adam,
    }
    seconds = interleave({name: _compilation(make) for name, make in candidates.items()}, rounds=1 if quick else 12)
    return Topic("Time to trace, lower and compile the jax.jit step of the small MLP", compared(seconds, updates=1))


def _compilation(make: Callable[[], optax.GradientTransformationExtraArgs]) -> Callable[[], None]:
    shapes = jax.eval_shape(lambda: arguments(SMALL, make()))

    def compile_again() -> None:
        make_step(make()).lower(*shapes).compile()

    return compile_again
