"""From text to a tree of calls and literals: a tokenizer and a recursive descent. Nothing is looked up or made here.

    product  = part {("*" | "/") part}
    part     = value {"." "clip" arguments}
    value    = number | text | "True" | "False" | "None" | "inf" | list | "(" product ")" | tuple | dict | name [arguments]
    name     = word {"." word}
    arguments = "(" [argument {"," argument} [","]] ")"        argument = [word "="] product
    number   = ["+" | "-"] digits, as in Python

The texts that `repr` writes are among these, and all that these texts can be is bounded by LENGTH and DEPTH.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from typing import Any, NoReturn

from rheostax.errors import ExpressionError

__all__ = ["Arguments", "Bounds", "Call", "Literal", "Many", "Operation", "Table", "Tree", "read"]

LENGTH = 20_000  # characters
DEPTH = 40  # calls and brackets within each other
DIGITS = 60  # of one number
CLIPS = 3  # one after the other
ENTRIES = 1_000  # of one list or dict

WORD = r"[^\W\d]\w*"
TOKEN = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<number>(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)
  | (?P<word>{WORD})
  | (?P<text>'(?:[^'\\\n]|\\(?:[\\'"abfnrtv0]|x[0-9a-fA-F]{{2}}|u[0-9a-fA-F]{{4}}|U[0-9a-fA-F]{{8}}))*'
            |"(?:[^"\\\n]|\\(?:[\\'"abfnrtv0]|x[0-9a-fA-F]{{2}}|u[0-9a-fA-F]{{4}}|U[0-9a-fA-F]{{8}}))*")
  | (?P<sign>[-+*/.,:=()\[\]{{}}])
    """,
    re.VERBOSE,
)
NAMED = {"True": True, "False": False, "None": None, "inf": math.inf}


@dataclasses.dataclass(frozen=True)
class Token:
    """A word of the text."""

    kind: str
    text: str
    at: int


@dataclasses.dataclass(frozen=True, eq=False)
class Tree:
    """A part of the text; `at` is where it begins."""

    at: int


@dataclasses.dataclass(frozen=True, eq=False)
class Literal(Tree):
    """A number, a text, True, False or None."""

    value: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Many(Tree):
    """A list, or a tuple."""

    items: tuple[Tree, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Table(Tree):
    """A dict."""

    items: tuple[tuple[Literal, Tree], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Arguments(Tree):
    """What stands between the parentheses of a call, in order, each with its name or None."""

    items: tuple[tuple[Token | None, Tree], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Call(Tree):
    """A name with its arguments; None for a name alone."""

    name: str
    arguments: Arguments | None


@dataclasses.dataclass(frozen=True, eq=False)
class Bounds(Tree):
    """`inner.clip(arguments)`; `at` is at "clip"."""

    inner: Tree
    arguments: Arguments


@dataclasses.dataclass(frozen=True, eq=False)
class Operation(Tree):
    """`first * one / another ...`: what follows the first, each with its sign and where that is."""

    first: Tree
    rest: tuple[tuple[Token, Tree], ...]


def read(text: Any) -> Tree:
    """Return the tree of a text.

    Raises:
        ExpressionError: If it isn't one; it points at the place.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"An expression must be a text such as 'Warmup(500) * 3e-4', got {type(text).__name__}.")
    if len(text) > LENGTH:
        raise ExpressionError(f"An expression can have {LENGTH:,} characters at most, got {len(text):,}.")
    return _Reader(text).whole()


class _Reader:
    """Reads the tokens of one text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._split())
        self.place = self.depth = 0

    def _split(self) -> Any:
        at = 0
        while at < len(self.text):
            found = TOKEN.match(self.text, at)
            if found is None:
                quote = self.text[at] in "'\""
                reason = "This text has no end, or a backslash that isn't known." if quote else f"{self.text[at]!r} is not expected here."
                raise ExpressionError(reason, self.text, at)
            if found.lastgroup != "space":
                yield Token(str(found.lastgroup), found[0], at)
            at = found.end()
        yield Token("end", "", len(self.text))

    def fail(self, reason: str, at: int) -> NoReturn:
        raise ExpressionError(reason, self.text, at)

    @property
    def here(self) -> Token:
        return self.tokens[self.place]

    def take(self, *signs: str) -> Token | None:
        """Go on past one of some signs, if it is here."""
        token = self.here
        if token.kind != "sign" or token.text not in signs:
            return None
        self.place += 1
        return token

    def need(self, sign: str, why: str) -> Token:
        return self.take(sign) or self.fail(f"Expected {sign!r}{why}, found {self._found()}.", self.here.at)

    def _found(self) -> str:
        return "the end" if self.here.kind == "end" else repr(self.here.text)

    def whole(self) -> Tree:
        tree = self.product()
        if self.here.kind != "end":
            self.fail(f"Expected '*', '.clip(...)' or the end, found {self._found()}.", self.here.at)
        return tree

    def product(self) -> Tree:
        self.depth += 1
        if self.depth > DEPTH:
            self.fail(f"Expressions can be {DEPTH} deep at most.", self.here.at)
        first, rest = self.part(), []
        while sign := self.take("*", "/"):
            rest.append((sign, self.part()))
        self.depth -= 1
        return Operation(first.at, first, tuple(rest)) if rest else first

    def part(self) -> Tree:
        tree, bounds = self.value(), 0
        while self.take("."):
            word = self.here
            if word.text != "clip":
                self.fail(f"Expected 'clip', the only method that can be written, found {self._found()}.", word.at)
            self.place, bounds = self.place + 1, bounds + 1
            if bounds > CLIPS:
                self.fail(f"Bounds can be given {CLIPS} times at most, one after the other.", word.at)
            tree = Bounds(word.at, tree, self.arguments())
        return tree

    def value(self) -> Tree:
        token = self.here
        if token.kind == "number" or token.text in ("-", "+"):
            return self.number()
        if token.kind == "word":
            return self.name()
        if token.kind == "text":
            self.place += 1
            return Literal(token.at, self.decoded(token))
        if self.take("["):
            return Many(token.at, self.items("]"))
        if self.take("{"):
            return self.table(token.at)
        if not self.take("("):
            self.fail(f"Expected a schedule, a policy or a number, found {self._found()}.", token.at)
        return self.parenthesis(token.at)

    def decoded(self, token: Token) -> str:
        try:
            return str(ast.literal_eval(token.text))  # one text, whose backslashes TOKEN has let through
        except (ValueError, SyntaxError):
            self.fail("This text has a character that can't be.", token.at)

    def number(self) -> Literal:
        begin, sign = self.here, 1
        while turned := self.take("-", "+"):
            sign = -sign if turned.text == "-" else sign
        token = self.here
        self.place += 1
        if token.text == "inf":
            return Literal(begin.at, sign * math.inf)
        if token.kind != "number":
            self.fail(f"Expected a number after the sign, found {token.text!r}." if token.text else "Expected a number.", token.at)
        if len(token.text) > DIGITS:
            self.fail(f"A number can have {DIGITS} digits at most.", token.at)
        try:
            return Literal(begin.at, sign * (int(token.text) if re.fullmatch(r"[0-9_]+", token.text) else float(token.text)))
        except ValueError:
            self.fail(f"{token.text!r} is not a number.", token.at)

    def name(self) -> Tree:
        first = self.here
        self.place += 1
        if first.text in NAMED:
            return Literal(first.at, NAMED[first.text])
        words = [first.text]
        while self.here.text == "." and self.tokens[self.place + 1].kind == "word" and self.tokens[self.place + 1].text != "clip":
            words.append(self.tokens[self.place + 1].text)
            self.place += 2
        return Call(first.at, ".".join(words), self.arguments() if self.here.text == "(" else None)

    def arguments(self) -> Arguments:
        opening = self.need("(", " and its arguments")
        found: list[tuple[Token | None, Tree]] = []
        names: set[str] = set()
        while not self.take(")"):
            name = None
            if self.here.kind == "word" and self.tokens[self.place + 1].text == "=":
                name = self.here
                self.place += 2
                if name.text in names:
                    self.fail(f"{name.text} is given twice.", name.at)
                names.add(name.text)
            elif names:
                self.fail("An argument without a name can't follow one with a name.", self.here.at)
            found.append((name, self.product()))
            if not self.take(","):
                self.need(")", " or ','")
                break
        return Arguments(opening.at, tuple(found))

    def items(self, closing: str) -> tuple[Tree, ...]:
        found: list[Tree] = []
        while not self.take(closing):
            found.append(self.product())
            if not self.take(","):
                self.need(closing, " or ','")
                break
        return tuple(found)

    def table(self, at: int) -> Table:
        found: list[tuple[Literal, Tree]] = []
        while not self.take("}"):
            key = self.value()
            if not isinstance(key, Literal):
                self.fail("A key must be a text or a number.", key.at)
            if key.value in (other.value for other, _ in found):
                self.fail(f"{key.value!r} is given twice.", key.at)
            self.need(":", f" after {key.value!r}")
            found.append((key, self.product()))
            if len(found) > ENTRIES:
                self.fail(f"A dict can have {ENTRIES:,} entries at most.", key.at)
            if not self.take(","):
                self.need("}", " or ','")
                break
        return Table(at, tuple(found))

    def parenthesis(self, at: int) -> Tree:
        """Read `(product)`, or a tuple: `()`, `(a,)`, `(a, b)`."""
        if self.take(")"):
            return Many(at, ())
        first = self.product()
        if self.take(","):
            return Many(at, (first, *self.items(")")))
        self.need(")", " or ','")
        return first
