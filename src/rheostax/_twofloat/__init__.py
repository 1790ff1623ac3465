"""Numbers with 48 significant bits, made of two float32.

A rate is a float32, but one that is computed in float32 is off by several units in its last place, and by thousands where a
decay rate close to 1 meets a long horizon. Float64 isn't there unless x64 is switched on, and isn't fast on accelerators. So
schedules compute with unevaluated sums of two float32 and round once, at the end: with x64 on and off, eager and compiled, to
the same float32 as float64 would, but for rare ties.

The building blocks are the error-free transformations of Dekker (1971). XLA keeps the order of float operations, except on
constants, which are hidden from it; LLVM may fuse a product with a sum into one rounding, so every product whose rounding error
matters is made of exact ones.

Each building block is a jitted function: one call instead of twenty where nothing else is compiled, and traced once instead of
at every use. They are `inline`, so a program that uses them is compiled as if they were written out.
"""

from rheostax._twofloat._arithmetic import (
    TwoFloat,
    lift_numbers,
    lower_numbers,
    maximum,
    minimum,
    nearest,
    product_with_tiny,
    ratio,
    stack,
    where,
)
from rheostax._twofloat._functions import exp, exp_and_expm1, expm1, half_cosine, log, log1p, log_of_rest, power, sqrt

__all__ = [
    "TwoFloat",
    "exp",
    "exp_and_expm1",
    "expm1",
    "half_cosine",
    "lift_numbers",
    "log",
    "log1p",
    "log_of_rest",
    "lower_numbers",
    "maximum",
    "minimum",
    "nearest",
    "power",
    "product_with_tiny",
    "ratio",
    "sqrt",
    "stack",
    "where",
]
