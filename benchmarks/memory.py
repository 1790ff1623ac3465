"""Size of the optimizer state, and peak memory of an update."""

from __future__ import annotations

import jax
import optax
from flax import nnx

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._report import Row, Topic
from benchmarks.update_jax import LARGE, SMALL, arguments, count_parameters, make_step

CANDIDATES = {
    "optax.adam, constant rate": work.adam,
    "adam + optax plateau": work.adam_with_optax_plateau,
    "inject_hyperparams(adam), schedule": work.injected_adam,
    "rx.control, schedule x plateau": work.controlled_adam,
}


def run(quick: bool = False) -> Topic:
    rows = _state_rows() + _variable_rows() + _peak_rows([256] * 11 if quick else LARGE)
    return Topic("Memory", rows)


def _state_rows() -> list[Row]:
    """Count what each state holds beyond Adam's moments."""
    moments = 2 * 4 * count_parameters(SMALL)
    rows = []
    for name, make in CANDIDATES.items():
        leaves = jax.tree.leaves(arguments(SMALL, make())[1])
        detail = f"beyond Adam's moments; {len(leaves)} arrays in all"
        rows.append(Row(f"state of {name}", sum(leaf.nbytes for leaf in leaves) - moments, "bytes", detail=detail))
    return rows


def _variable_rows() -> list[Row]:
    model = work.small_mlp()
    optimizers = {
        "nnx.Optimizer, adam + optax plateau": nnx.Optimizer(model, work.adam_with_optax_plateau(), wrt=nnx.Param),
        "rx.Optimizer, schedule x plateau": rx.Optimizer(model, work.controlled_adam(), wrt=nnx.Param),
    }
    return [Row(f"Variables of {name}", len(nnx.to_flat_state(nnx.state(optimizer))), "") for name, optimizer in optimizers.items()]


def _peak_rows(widths: list[int]) -> list[Row]:
    """Ask the compiler what an update takes at its peak, where the backend tells it."""
    peaks = {name: peak for name, make in CANDIDATES.items() if (peak := _peak(widths, make()))}
    reference = next(iter(peaks.values()), 0)
    return [
        Row(
            f"peak, {count_parameters(widths):,} parameters: {name}",
            peak / reference,
            "x",
            detail=f"{peak - reference:+,} of {reference:,} bytes",
        )
        for name, peak in peaks.items()
    ]


def _peak(widths: list[int], tx: optax.GradientTransformationExtraArgs) -> int:
    """Return the bytes of arguments, results and temporaries; donated ones count once. 0 where the backend doesn't tell."""
    shapes = jax.eval_shape(lambda: arguments(widths, tx))
    sizes = make_step(tx).lower(*shapes).compile().memory_analysis()
    if sizes is None:
        return 0
    total = sizes.argument_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes + sizes.temp_size_in_bytes
    return int(total)
