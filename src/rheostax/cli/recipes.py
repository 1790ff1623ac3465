"""`rheostax recipes`: published schedules, listed, printed and drawn."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._check import did_you_mean
from rheostax._rate import is_reactive
from rheostax._words import plain, say
from rheostax.cli import files
from rheostax.errors import ArgumentError
from rheostax.plot.curve import plot_curve
from rheostax.preview._curve import rates_at
from rheostax.recipes import RECIPES, Recipe

__all__ = ["arguments_of", "listing", "show", "words"]

MOMENTS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)  # parts of the run


def listing() -> list[dict[str, Any]]:
    """Return what there is, a row per recipe."""
    return [{"name": one.name, "title": one.title, "summary": one.summary, "source": one.source} for one in RECIPES.values()]


def show(name: str, *, variant: str | None, total_steps: int | None, picture: Path | None) -> dict[str, Any]:
    """Return what is known of one recipe, with its rates at some moments; draw it, if a picture is wanted."""
    files.require_picture(picture)
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES)
        raise ArgumentError(f"There is no recipe {name!r}; `rheostax recipes` lists them. {hint}".rstrip())
    one = RECIPES[name]
    rate = one.function(**arguments_of(one, variant, total_steps))
    counted, size = one.resolved(rate, **({"total_steps": total_steps} if total_steps else {}))
    total = size["total_steps"]
    counts = sorted({round(part * total) for part in MOMENTS})
    if picture is not None:
        points = np.unique(np.linspace(0, total, 2_001).astype(np.int64))
        files.draw(plot_curve(points, rates_at(counted, points), title=f"{one.title}: {rate!r}"), picture)
    rates = plain(rates_at(counted, counts)[:, 0])
    return {
        "name": name, "title": one.title, "summary": one.summary, "source": one.source, "optimizer": one.optimizer,
        "expression": repr(rate), "counted": repr(counted), "size": size, "reacts": is_reactive(rate),
        "rates": [{"count": count, "learning_rate": value} for count, value in zip(counts, rates, strict=True)],
    }  # fmt: skip


def words(found: dict[str, Any]) -> str:
    """Write what `show` found for people."""
    lines = [f"{found['title']}: {found['summary']}", f"source     {found['source']}", f"optimizer  {found['optimizer']}"]
    lines += [f"rate       {found['expression']}"]
    if found["counted"] != found["expression"]:
        lines.append(f"counted    {found['counted']}")
        lines.append("for        " + ", ".join(f"{name}={value:,}" for name, value in found["size"].items()))
    lines += ["", f"{'update':>12}  rate{' if no metric moved it' if found['reacts'] else ''}"]
    lines += [f"{row['count']:>12,}  {say(row['learning_rate'])}" for row in found["rates"]]
    return "\n".join(lines)


def arguments_of(one: Recipe, variant: str | None, total_steps: int | None) -> dict[str, Any]:
    """Return what the recipe's function is called with: a variant and, where it isn't published, the length."""
    arguments: dict[str, Any] = {}
    parameters = inspect.signature(one.function).parameters
    if "total_steps" in parameters:
        if total_steps is None:
            raise ArgumentError(f"{one.name}: total_steps isn't published as a number of updates; say it with --total-steps N.")
        arguments["total_steps"] = total_steps
    if variant is not None:
        choice = next((parameter for parameter in parameters.values() if parameter.name != "total_steps"), None)
        if choice is None:
            raise ArgumentError(f"{one.name} has no variants, got {variant!r}.")
        arguments[choice.name] = int(variant) if isinstance(choice.default, int) and variant.isdecimal() else variant
    return arguments
