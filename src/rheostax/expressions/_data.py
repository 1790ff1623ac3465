"""Expressions as what JSON and YAML can hold, and back.

A node is a dict with one key, its class, whose value holds the arguments that don't have their default:
`{"Product": {"factors": [{"Warmup": {"steps": 500}}, 0.0003]}}`. Within others a constant is its number.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rheostax._duration import Duration
from rheostax._extras import load
from rheostax._rate import Constant, Foreign, LearningRate
from rheostax.errors import ExpressionError
from rheostax.expressions import _vocabulary
from rheostax.expressions._build import call, parse
from rheostax.expressions._syntax import DEPTH, LENGTH
from rheostax.groups import Groups

__all__ = ["from_json", "from_yaml", "to_json", "to_yaml"]

NODES = 5_000  # values of one expression; a YAML file of 200 characters can stand for billions


def to_json(rate: LearningRate) -> dict[str, Any]:
    """Return an expression as dicts, lists, numbers and texts that `json.dumps` takes and `from_json` gives back.

    Numbers stay what they are to the last bit, also the float32 of an expression that comes out of compiled code.

    Args:
        rate: A rheostax expression.

    Returns:
        A dict with one key: the class, whose value holds the arguments that don't have their default.

    Raises:
        ExpressionError: If a part can't be written: a foreign function, a class that isn't rheostax's, a batch, a traced number.

    >>> import rheostax as rx
    >>> from rheostax.expressions import to_json
    >>> to_json(rx.Warmup(500) * rx.Cosine(3e-4, 20_000))
    {'Product': {'factors': [{'Warmup': {'steps': 500}}, {'Cosine': {'init_value': 0.0003, 'decay_steps': 20000}}]}}
    """
    if not isinstance(rate, LearningRate):
        raise ExpressionError(f"to_json: rate must be a rheostax expression, got {type(rate).__name__}.")
    if isinstance(rate, Foreign):
        raise ExpressionError(f"{rate!r} can't be written: it is a function of the count. Use a schedule of rheostax in its place.")
    name = _vocabulary.name_of(rate)
    if name is None:
        kind = type(rate)
        raise ExpressionError(f"{kind.__module__}.{kind.__qualname__} can't be written: it isn't one of rheostax's own classes.")
    if isinstance(rate, Groups):
        return {name: _groups(rate)}
    arguments = {}
    for field in dataclasses.fields(rate):  # type: ignore[arg-type]  # every node is a dataclass
        content = getattr(rate, field.name)
        written = _written(content, f"{name}: {field.name}")
        default = None if field.default is dataclasses.MISSING else field.default
        if field.default is dataclasses.MISSING or type(written) is not type(default) or written != default:
            arguments[field.name] = written
    return {name: arguments}


def _groups(rate: Groups) -> dict[str, Any]:
    parts = [
        None if frozen else _written(one, pattern) for pattern, one, frozen in zip(rate.patterns, rate.rates, rate.frozen, strict=True)
    ]
    rates = dict(zip(rate.patterns, parts, strict=True))
    return {"rates": rates} | ({"rest": rates.pop("rest")} if "rest" in rates else {})


def _written(content: Any, where: str) -> Any:
    if isinstance(content, Constant):
        return _written(content.value, f"{where}: value")
    if isinstance(content, LearningRate):
        return to_json(content)
    if isinstance(content, tuple):
        return [_written(one, f"{where}[{i}]") for i, one in enumerate(content)]
    if isinstance(content, Duration):
        return str(content)
    if isinstance(content, jax.core.Tracer):
        raise ExpressionError(f"{where} can't be written: its number is traced. Write expressions outside of jax.jit and jax.vmap.")
    if isinstance(content, jax.Array | np.ndarray | np.generic):
        if np.ndim(content) > 0:
            raise ExpressionError(f"{where} can't be written: it is a batch of shape {np.shape(content)}, not one number.")
        return np.asarray(content).item()
    return content


def from_json(data: Any) -> LearningRate:
    """Make an expression of what `to_json` returned; a number and an expression's text are taken as well.

    Args:
        data: A dict with one key, a class of rheostax, or a number, or a text as for `parse`.

    Returns:
        The expression.

    Raises:
        ExpressionError: If it isn't one; the message says where.

    >>> from rheostax.expressions import from_json
    >>> from_json({"Product": {"factors": [{"Warmup": {"steps": "2ep"}}, 0.0003]}})
    Warmup(steps='2ep') * 0.0003
    """
    return parse(data) if isinstance(data, str) else _Reader().rate(data, "learning rate", 0)


class _Reader:
    """Reads data of any origin; counts what it has read, since YAML can hold one thing in many places."""

    def __init__(self) -> None:
        self.read = 0

    def rate(self, data: Any, where: str, depth: int) -> LearningRate:
        value = self.value(data, where, depth)
        if isinstance(value, LearningRate):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ExpressionError(f"{where} must be a number, or a dict with one key such as {{'Cosine': {{...}}}}; got {value!r:.80}.")
        return self.made("Constant", {"value": value}, where)

    def value(self, data: Any, where: str, depth: int) -> Any:
        self.read += 1
        if self.read > NODES:
            raise ExpressionError(f"An expression can have {NODES:,} values at most.")
        if depth > DEPTH:
            raise ExpressionError(f"Expressions can be {DEPTH} deep at most.")
        if isinstance(data, Mapping):
            return self.node(data, where, depth)
        if isinstance(data, list | tuple):
            return [self.value(one, f"{where}[{i}]", depth + 1) for i, one in enumerate(data)]
        if not (data is None or isinstance(data, str | bool | int | float)) or (isinstance(data, str) and len(data) > LENGTH):
            raise ExpressionError(f"{where} must be a number, a text, a list or a dict, got {type(data).__name__}.")
        return data

    def node(self, data: Mapping[Any, Any], where: str, depth: int) -> LearningRate:
        if len(data) != 1:
            raise ExpressionError(f"{where} must have one key, the name of a schedule or policy; got {len(data)} keys.")
        ((name, given),) = data.items()
        try:
            _vocabulary.class_named(name)
        except _vocabulary.UnknownWordError as error:
            raise ExpressionError(f"{where}: {error}") from None
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            raise ExpressionError(f"{where}: {name} must have a dict of arguments by name, got {type(given).__name__}.")
        if name == "Groups" and isinstance(given.get("rates"), Mapping):
            parts = {f"{key}": self.value(one, f"{where}.Groups[{key!r}]", depth + 1) for key, one in given["rates"].items()}
            rest = {key: self.value(one, f"{where}.Groups: {key}", depth + 1) for key, one in given.items() if key != "rates"}
            return self.made(name, {"rates": parts, **rest}, where)
        inside = {key: self.value(one, f"{where}.{name}.{key}", depth + 1) for key, one in given.items()}
        return self.made(name, inside, where)

    def made(self, name: str, keywords: dict[str, Any], where: str) -> LearningRate:
        cls = _vocabulary.class_named(name)
        parameters = _vocabulary.arguments(cls)
        for argument, value in keywords.items():
            if isinstance(value, list) and argument in parameters and not _vocabulary.is_list(parameters[argument]):
                raise ExpressionError(f"{where}: {name}: {argument} takes one value, got a list of {len(value)}.")
        try:
            rate: LearningRate = call(name, cls, keywords)
        except ExpressionError as error:
            raise ExpressionError(f"{where}: {error}") from None
        return rate


def to_yaml(rate: LearningRate) -> str:
    """Return an expression as YAML; see `to_json`, which has the same structure.

    Args:
        rate: A rheostax expression.

    Returns:
        A YAML document.

    Raises:
        ExpressionError: If a part can't be written.
        MissingExtraError: If PyYAML isn't installed.

    >>> import rheostax as rx
    >>> from rheostax.expressions import to_yaml
    >>> print(to_yaml(rx.Cosine(3e-4, "1run")), end="")
    Cosine:
      init_value: 0.0003
      decay_steps: 1run
    """
    yaml = load("yaml", extra="train")
    return str(yaml.dump(to_json(rate), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True))


def from_yaml(text: str) -> LearningRate:
    """Make an expression of a YAML document: what `to_yaml` wrote, a number, or an expression's text.

    Args:
        text: The document, at most 20,000 characters. 3e-4 is a number, as everywhere but in YAML 1.1.

    Returns:
        The expression.

    Raises:
        ExpressionError: If it isn't YAML, or isn't an expression.
        MissingExtraError: If PyYAML isn't installed.

    >>> from rheostax.expressions import from_yaml
    >>> from_yaml("Cosine: {init_value: 3e-4, decay_steps: 20_000}")
    Cosine(init_value=0.0003, decay_steps=20000)
    """
    return from_json(load_yaml(text))


def load_yaml(text: str, length: int = LENGTH) -> Any:
    """Return what a YAML document holds, with plain types alone."""
    yaml = load("yaml", extra="train")
    if not isinstance(text, str) or len(text) > length:
        raise ExpressionError(f"A YAML document must be a text of {length:,} characters at most.")
    try:
        return yaml.load(text, Loader=_loader(yaml))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = "; ".join(part for part in (error.problem, error.context) if part)
        raise ExpressionError(f"This is not YAML: {problem}, in line {mark.line + 1}.", text, mark.index) from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise ExpressionError(f"This is not YAML: {' '.join(str(error).split())}") from None


def _loader(yaml: Any) -> Any:
    """Return PyYAML's safe loader, to which 3e-4 is a number as well."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?\d[\d_]*(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))
    return Loader
