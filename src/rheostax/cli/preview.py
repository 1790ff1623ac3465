"""`rheostax preview`: one learning rate, wherever it stands, drawn and told."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rheostax._check import did_you_mean
from rheostax._duration import UNITS, Duration
from rheostax._node import durations
from rheostax._rate import LearningRate, as_learning_rate, walk
from rheostax.cli import files
from rheostax.cli.recipes import arguments_of
from rheostax.errors import ArgumentError, ExpressionError
from rheostax.expressions import from_json, parse
from rheostax.expressions._data import load_yaml
from rheostax.plot.curve import plot_curve
from rheostax.plot.terminal import draw_curve
from rheostax.preview import Preview, preview
from rheostax.recipes import RECIPES
from rheostax.record.run_directory import CONFIG
from rheostax.training.task import imported
from rheostax.units import resolve

__all__ = ["Found", "find", "look", "words"]

SIZES = ("total_steps", "steps_per_epoch", "batch_size", "dataset_size", "tokens_per_sample")
SHORT = ("lr", "rate", "lrate", "base_lr", "max_lr", "peak_lr")  # for "learning_rate", in other tools' configurations
LONGEST = 200_000  # characters of a configuration


@dataclasses.dataclass(frozen=True)
class Found:
    """A learning rate, and what is known with it of the run's size."""

    kind: str  # "recipe", "object", "file" or "expression"
    title: str
    rate: LearningRate
    size: dict[str, Any]


def find(what: str, total_steps: int | None = None) -> Found:
    """Return the learning rate that a word of the command line stands for: a recipe, `module:name`, a file, or an expression."""
    if not what.strip():
        raise ArgumentError(f"preview needs a recipe, mypackage.mymodule:name, a file, a run directory or an expression, got {what!r}.")
    if what in RECIPES:
        one = RECIPES[what]
        return Found("recipe", one.title, one.function(**arguments_of(one, None, total_steps)), {})
    if re.fullmatch(r"[^\W\d][\w.]*:[^\W\d]\w*", what):
        return Found("object", what, _rate_of(imported(what), what), {})
    path = _path(what)
    if path is not None:
        return _of_file(path)
    if re.search(r"\.(json|ya?ml)$", what) or ("/" in what and "(" not in what and not re.search(r"\d\s*/", what)):
        raise ArgumentError(f"There is no file or folder {what!r}.")
    try:
        return Found("expression", "", parse(what), {})
    except ExpressionError as error:
        if re.fullmatch(r"\w+", what) and (hint := did_you_mean(what, RECIPES)):
            raise ExpressionError(f"{what!r} is no recipe, file or expression. {hint}") from None
        raise error from None


def _path(what: str) -> Path | None:
    try:
        return Path(what) if what.strip() and Path(what).exists() else None
    except (OSError, ValueError):  # too long for a path, or a character that none can have
        return None


def _rate_of(value: Any, where: str) -> LearningRate:
    """Return what an object of a module is: a learning rate, a schedule, or a function without arguments that makes one."""
    if callable(value) and not isinstance(value, LearningRate):
        try:
            made = value()
        except TypeError:  # it needs a count
            return _foreign(value, where)
        except Exception as error:
            raise ArgumentError(f"{where} can't be called: {type(error).__name__}: {error}") from error
        value = made
    try:
        return as_learning_rate(value)
    except ArgumentError:
        raise ArgumentError(f"{where} must be a learning rate, or a function that returns one, got {value!r:.80}.") from None


def _foreign(schedule: Any, where: str) -> LearningRate:
    """Return a function of the count, if it is one."""
    try:
        jax.eval_shape(schedule, jax.ShapeDtypeStruct((), jnp.int32))
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        rule = f"{where} must be a learning rate, or a function of the count that JAX can trace"
        raise ArgumentError(f"{rule}; trying it gave {type(error).__name__}: {first:.200}") from error
    return as_learning_rate(schedule)


def _of_file(path: Path) -> Found:
    """Read a configuration: an expression, or a dict with one under "learning_rate" and perhaps the run's size beside it."""
    file = path / CONFIG if path.is_dir() else path
    data = _data_of(file)
    size: dict[str, Any] = {}
    if isinstance(data, Mapping) and "learning_rate" in data:
        size = {name: data[name] for name in SIZES if data.get(name) is not None}
        if isinstance(epoch := data.get("updates_per_epoch"), int):  # a run of `rheostax train`
            size.setdefault("steps_per_epoch", epoch)
            if isinstance(epochs := data.get("epochs"), int):
                size.setdefault("total_steps", epoch * epochs)
        data = data["learning_rate"]
    elif isinstance(data, Mapping):
        _require_expression(file, list(map(str, data)))
    try:
        return Found("file", str(path), from_json(data), size)
    except ExpressionError as error:
        raise ExpressionError(f"{file}: {error.reason}", error.text, error.at) from None


def _data_of(file: Path) -> Any:
    """Return what a file holds; where it is no JSON or YAML, point at the place."""
    try:
        text = file.read_text("utf-8")
        return json.loads(text) if file.suffix == ".json" else load_yaml(text, LONGEST)
    except json.JSONDecodeError as error:
        raise ExpressionError(f"{file} can't be read: {error.msg}, in line {error.lineno}.", error.doc, error.pos) from None
    except ExpressionError as error:
        raise ExpressionError(f"{file} can't be read: {error.reason}", error.text, error.at) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{file} can't be read: {getattr(error, 'strerror', None) or error}.") from None


def _require_expression(file: Path, keys: list[str]) -> None:
    """Refuse a dict that can't be an expression, which has its class for its only key."""
    meant = [key for key in keys if key.lower() in SHORT or difflib.get_close_matches(key.lower(), ["learning_rate"], cutoff=0.75)]
    if meant or len(keys) != 1:
        advice = f" Write learning_rate for {meant[0]}." if meant else ""
        raise ArgumentError(f"{file} must have a learning_rate, or be an expression itself; it has {', '.join(keys) or 'none'}.{advice}")


def look(what: str, picture: Path | None = None, **given: Any) -> tuple[dict[str, Any], Preview]:
    """Return what `--json` prints, and the preview itself; draw it, if a picture is wanted."""
    files.require_picture(picture)
    given = {name: value for name, value in given.items() if value is not None}
    found = find(what, given.get("total_steps"))
    size = {**found.size, **given}
    size = _with_epochs(size, given)
    total = size.get("total_steps")
    if found.kind == "recipe":  # of the published size, or an assumed one
        counted, known = RECIPES[what].resolved(found.rate, **size)
        total = total or (known["total_steps"] if RECIPES[what].total else None)
        size = {name: value for name, value in known.items() if name in size or name in _needed(found.rate)}
    else:
        _require(found.rate, size)
        counted = resolve(found.rate, **size)
    seen = preview(counted, total_steps=total)
    if picture is not None:
        marks = [(count, text) for count, text, _ in seen.moments[1:] if text != "last update"]
        heading = f"{found.title}: {found.rate!r}" if found.title else repr(found.rate)
        files.draw(plot_curve(seen.counts, seen.rates, title=heading, moments=marks, names=seen.groups), picture)
    return {"source": what, "kind": found.kind, "written": repr(found.rate), "size": size, **seen.to_json()}, seen


def _with_epochs(size: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the size with the updates of an epoch in place of the samples of one. What is given goes before what a file says."""
    dataset, batch = size.get("dataset_size"), size.get("batch_size")
    size = {name: value for name, value in size.items() if name != "dataset_size"}
    if "dataset_size" in given and "steps_per_epoch" in given:
        raise ArgumentError("--dataset-size stands in place of --steps-per-epoch; give one of them.")
    if dataset is None or ("steps_per_epoch" in size and "dataset_size" not in given):
        return size
    if batch is None:
        raise ArgumentError("--dataset-size needs --batch-size, which says how many updates an epoch has.")
    for name, value in (("dataset_size", dataset), ("batch_size", batch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name} must be a whole number >= 1, got {value!r}.")
    return size | {"steps_per_epoch": -(-dataset // batch)}


def _needed(rate: LearningRate) -> dict[str, str]:
    """Return what has to be known of the run to count an expression's durations, each with one that needs it."""
    found: dict[str, str] = {}
    for part, _ in walk(rate):
        for name, value in durations(part):
            for need in UNITS[value.unit][1] if isinstance(value, Duration) else ():
                found.setdefault(need, f"{type(part).__name__}: {name} is {value!r}")
    return found


def _require(rate: LearningRate, size: Mapping[str, Any]) -> None:
    """Say which option a duration needs that isn't given."""
    for need, which in _needed(rate).items():
        if need not in size:
            also = " (or --dataset-size and --batch-size)" if need == "steps_per_epoch" else ""
            raise ArgumentError(f"{which}, which needs --{need.replace('_', '-')}{also}.")


def words(found: dict[str, Any], seen: Preview) -> str:
    """Write a preview for people."""
    braille = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    width = min(max(shutil.get_terminal_size((80, 24)).columns, 40), 100)
    lines = [found["written"]]
    if found["expression"] != found["written"]:
        size = ", ".join(f"{name}={value:,}" for name, value in found["size"].items())
        lines += [f"counted {found['expression']}", f"for {size}"]
    why = {
        "horizon": "as many as the schedule has; --total-steps says another number",
        "moments": "it has no end; --total-steps says how long the run is",
        "nothing ends": "it has no end; --total-steps says how long the run is",
    }.get(found["total_from"])
    lines += [f"{found['total_steps']:,} updates: {why}"] if why else []
    lines += ["", draw_curve(seen.counts, seen.rates, width=width, braille=braille), "", str(seen)]
    return "\n".join(lines)
