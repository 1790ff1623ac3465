"""From the tree of a text to the expression that it stands for, or to one for each of a grid of settings."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from rheostax._check import did_you_mean
from rheostax._rate import Constant, LearningRate
from rheostax._words import counted
from rheostax.errors import ArgumentError, ExpressionError
from rheostax.expressions import _vocabulary
from rheostax.expressions._syntax import Arguments, Bounds, Call, Literal, Many, Operation, Table, Tree, read

__all__ = ["COMBINATIONS", "call", "parse", "parse_grid"]

COMBINATIONS = 10_000  # of a grid
LARGEST = 1e300  # a float32 ends at 3.4e38, and Python's whole numbers never


def parse(text: str) -> LearningRate:
    """Read a learning rate from its text, as `repr` writes it and as one writes it in Python.

    The words are rheostax's schedules and policies, `*`, `.clip(...)`, `recipes.NAME(...)`, `compat.LIBRARY.NAME(...)`, numbers, and
    the arguments that these take; "rx." before a name is left out. A number alone is a constant rate. Nothing is executed: any other
    word is an error, and the text's length and depth are bounded.

    Args:
        text: The text, at most 20,000 characters.

    Returns:
        The expression; `parse(repr(rate)) == rate` for every one that is written in these words.

    Raises:
        ExpressionError: If the text isn't one. The message points at the place, and suggests the nearest word.

    >>> import rheostax as rx
    >>> rx.parse("Warmup(500) * Cosine(3e-4, decay_steps=20_000)")
    Warmup(steps=500) * Cosine(init_value=0.0003, decay_steps=20000)
    >>> rx.parse("Warmup(500) * Cosin(3e-4, 20000)")
    Traceback (most recent call last):
    rheostax.errors.ExpressionError: 'Cosin' is not a schedule or policy. Did you mean 'Cosine'?
      Warmup(500) * Cosin(3e-4, 20000)
                    ^
    """
    return _Builder(text, {}).rate(read(text))


def parse_grid(text: str) -> list[tuple[dict[str, Any], LearningRate]]:
    """Read a grid: wherever an argument that takes one value has a list, an expression for each of them, and for all combinations.

    An argument that is a list by nature (boundaries, values, the parts of a join) is no grid.

    Args:
        text: As for `parse`.

    Returns:
        Per combination what was chosen, by the argument's name ("patience", or "Warmup.steps" where several arguments have that
        name), and the expression; the last list moves fastest. Without any list, the one expression, with nothing chosen.

    Raises:
        ExpressionError: If the text isn't an expression, a list is empty, or there are more than 10,000 combinations.

    >>> from rheostax.expressions import parse_grid
    >>> for chosen, rate in parse_grid("0.1 * ReduceOnPlateau(patience=[2, 5], factor=0.5)"):
    ...     print(chosen, rate)
    {'patience': 2} 0.1 * ReduceOnPlateau(patience=2, factor=0.5)
    {'patience': 5} 0.1 * ReduceOnPlateau(patience=5, factor=0.5)
    """
    tree = read(text)
    survey = _Builder(text, None)
    survey.rate(tree)
    found = list(survey.settings.values())
    combinations = math.prod(len(one.values.items) for one in found)
    if combinations > COMBINATIONS:
        raise ExpressionError(f"A grid can have {COMBINATIONS:,} combinations at most, this one has {combinations:,}.", text, tree.at)
    labels = _labels(found)
    grid = []
    for chosen in itertools.product(*(range(len(one.values.items)) for one in found)):
        builder = _Builder(text, dict(zip(survey.settings, chosen, strict=True)))
        values = (builder.value(one.values.items[i]) for one, i in zip(found, chosen, strict=True))
        grid.append((dict(zip(labels, values, strict=True)), builder.rate(tree)))
    return grid


@dataclasses.dataclass(frozen=True)
class _Settings:
    """A list where an argument takes one value."""

    owner: str
    argument: str
    values: Many


def _labels(found: list[_Settings]) -> list[str]:
    """Return the shortest name of each argument that tells it from the others."""
    plain = Counter(one.argument for one in found)
    full = Counter(f"{one.owner}.{one.argument}" for one in found)
    seen: Counter[str] = Counter()
    labels = []
    for one in found:
        name = f"{one.owner}.{one.argument}"
        seen[name] += 1
        several = f"{one.owner}[{seen[name]}].{one.argument}"
        labels.append(one.argument if plain[one.argument] == 1 else name if full[name] == 1 else several)
    return labels


class _Builder:
    """Makes the expression of a text's tree.

    Args:
        text: The text, for messages.
        chosen: Which of the settings to take, by the list's place in the text; None to take the first of each, and note them.
    """

    def __init__(self, text: str, chosen: Mapping[int, int] | None) -> None:
        self.text, self.chosen = text, chosen
        self.settings: dict[int, _Settings] = {}

    def fail(self, reason: str, at: int) -> NoReturn:
        raise ExpressionError(reason, self.text, at) from None

    def rate(self, tree: Tree) -> LearningRate:
        """Return what a tree stands for, which has to be a learning rate."""
        value = self.value(tree)
        if isinstance(value, LearningRate):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(f"Expected a learning rate, such as Cosine(3e-4, 20000) or 3e-4, got {value!r:.80}.", tree.at)
        try:
            return Constant(value)
        except ArgumentError as error:
            self.fail(str(error), tree.at)

    def value(self, tree: Tree) -> Any:
        match tree:
            case Literal():
                return tree.value
            case Many():
                return [self.value(item) for item in tree.items]
            case Table():
                return {key.value: self.value(value) for key, value in tree.items}
            case Operation():
                return self.operation(tree)
            case Bounds():
                return self.call("clip", self.rate(tree.inner).clip, tree.arguments, tree.at)
            case Call():
                return self.named(tree)
        raise AssertionError(tree)

    def operation(self, tree: Operation) -> Any:
        value = self.factor(tree.first)
        for sign, other in tree.rest:
            right = self.factor(other)
            numbers = not isinstance(value, LearningRate) and not isinstance(right, LearningRate)
            if sign.text == "/" and not numbers:
                self.fail("Only numbers can be divided; multiply a rate with 0.5 to halve it.", sign.at)
            try:
                value = value * right if sign.text == "*" else value / right
            except ArgumentError as error:
                self.fail(str(error), other.at if isinstance(value, LearningRate) else tree.first.at)
            except ArithmeticError as error:
                self.fail(f"This can't be calculated: {error}.", sign.at)
            if numbers and abs(value) > LARGEST:
                self.fail("This number is too large.", sign.at)
        return value

    def factor(self, tree: Tree) -> Any:
        value = self.one_of("Constant", "value", tree) if isinstance(tree, Many) else self.value(tree)
        if isinstance(value, bool) or not isinstance(value, LearningRate | int | float):
            self.fail(f"Expected a learning rate or a number, got {value!r:.80}.", tree.at)
        return value

    def named(self, tree: Call) -> Any:
        try:
            make = _vocabulary.maker(tree.name)
        except _vocabulary.UnknownWordError as error:
            self.fail(str(error), tree.at)
        if tree.arguments is None:
            self.fail(f"{tree.name} needs parentheses: {tree.name}({', '.join(_required(make))}).", tree.at)
        return self.call(tree.name, make, tree.arguments, tree.at)

    def call(self, name: str, make: Any, given: Arguments, at: int) -> Any:
        """Call something with arguments of the text; point at the one that it complains about."""
        name = name.rpartition(".")[2]
        positional, keywords, places = [], {}, {}
        for argument, parameter, tree in self.bound(name, make, given):
            listed = isinstance(tree, Many) and not _vocabulary.is_list(parameter)
            value = self.one_of(name, argument, tree) if listed and isinstance(tree, Many) else self.value(tree)
            places[argument] = tree.at
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
                positional.append(value)
            else:
                keywords[argument] = value
        missing = [argument for argument in _required(make) if argument not in places]
        if missing:
            self.fail(f"{name} needs {' and '.join(missing)}: {name}({', '.join(_required(make))}).", at)
        return self.made(name, make, positional, keywords, places, at)

    def bound(self, name: str, make: Any, given: Arguments) -> Iterator[tuple[str, inspect.Parameter, Tree]]:
        """Yield every argument that is given with its name."""
        parameters = _vocabulary.arguments(make)
        by_place = [one for one in parameters.values() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        rest = next((one for one in parameters.values() if one.kind is one.VAR_KEYWORD), None)
        taken = [one.name for one in by_place[: sum(word is None for word, _ in given.items)]]
        for i, (word, tree) in enumerate(given.items):
            argument, at = (word.text, word.at) if word else ("", tree.at)
            if word is None:
                if i >= len(by_place):
                    names = [one.name for one in parameters.values() if one.kind is one.KEYWORD_ONLY]
                    by_name = f" without a name; by name it takes {', '.join(names)}" if names else ""
                    takes = counted(len(by_place), "argument") if by_place else "no arguments"
                    self.fail(f"{name} takes {takes}{by_name}.", tree.at)
                argument = by_place[i].name
            elif argument in taken:
                self.fail(f"{name}: {argument} is given twice.", at)
            parameter = parameters.get(argument, rest)
            if parameter is None or parameter.kind is parameter.VAR_POSITIONAL:
                known = [one.name for one in parameters.values()]
                hint = did_you_mean(argument, known) or f"It takes {', '.join(known)}."
                self.fail(f"{name} has no argument {argument!r}. {hint}", at)
            yield argument, parameter, tree

    def made(self, name: str, make: Any, positional: list[Any], keywords: dict[str, Any], places: dict[str, int], at: int) -> Any:
        try:
            return make(*positional, **keywords)
        except ArgumentError as error:
            words = str(error)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:  # a kind of value that no rule expects
            words = f"{name} can't be made of these arguments: {error}"
        accused = re.match(r"\w+: (\w+)", words)
        raise ExpressionError(words, self.text, places.get(accused[1], at) if accused else at)

    def one_of(self, owner: str, argument: str, tree: Many) -> Any:
        """Return the setting that was chosen of a list where one value is taken."""
        if not tree.items:
            self.fail(f"{owner}: {argument} takes one value, got a list without any.", tree.at)
        if nested := next((item for item in tree.items if isinstance(item, Many)), None):
            self.fail(f"{owner}: {argument} takes one value, got a list of lists.", nested.at)
        if self.chosen is None:
            self.settings[tree.at] = _Settings(owner, argument, tree)
            return self.value(tree.items[0])
        if tree.at not in self.chosen:
            self.fail(f"{owner}: {argument} takes one value, got a list of {len(tree.items)}. Several at once are for a grid.", tree.at)
        return self.value(tree.items[self.chosen[tree.at]])


def _required(make: Any) -> list[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in _vocabulary.arguments(make).values() if one.default is one.empty and one.kind not in kinds]


def call(name: str, make: Any, keywords: dict[str, Any]) -> Any:
    """Call a class with values that come from no text."""
    parameters = _vocabulary.arguments(make)
    for argument in keywords:
        if argument not in parameters:
            hint = did_you_mean(argument, parameters) or f"It takes {', '.join(parameters)}."
            raise ExpressionError(f"{name} has no argument {argument!r}. {hint}")
    missing = [argument for argument in _required(make) if argument not in keywords]
    if missing:
        raise ExpressionError(f"{name} needs {' and '.join(missing)}.")
    try:
        return make(**keywords)
    except ArgumentError as error:
        raise ExpressionError(str(error)) from None
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ExpressionError(f"{name} can't be made of these arguments: {error}") from None
