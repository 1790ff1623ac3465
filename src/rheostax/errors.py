"""What rheostax raises on purpose.

Everything here derives from `RheostaxError`, so that a program (the command line does it) can tell a user's mistake, which
deserves one clear line, from a bug, which deserves its stack trace.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "DisagreementError",
    "ExpressionError",
    "GroupError",
    "RheostaxError",
    "RheostaxWarning",
    "StateError",
    "UnknownMetricError",
]


class RheostaxError(Exception):
    """Base of every error that rheostax raises on purpose."""


class ArgumentError(RheostaxError, ValueError):
    """Report an argument that breaks a rule; the message quotes the argument, the rule and the value."""


class ExpressionError(ArgumentError):
    """Report a text, or JSON or YAML, that isn't a learning rate; where there is a text, the message points at the place.

    Args:
        reason: What is wrong, and what was expected.
        text: The text, if there is one.
        at: Where in it the mistake is.
    """

    def __init__(self, reason: str, text: str | None = None, at: int = 0) -> None:
        self.reason = reason if len(reason) <= 800 else f"{reason[:500]} ... {reason[-200:]}"
        self.text, self.at = text, at
        super().__init__(self.reason)

    def __str__(self) -> str:
        if self.text is None:
            return self.reason
        begin = self.text.rfind("\n", 0, self.at) + 1
        line = self.text[begin:].split("\n", 1)[0]
        left = max(self.at - begin - 70, 0)  # of a long line, what is around the place
        shown = "".join(character if character.isprintable() else " " for character in line[left : left + 110])
        dots = "..." if left else ""
        return f"{self.reason}\n  {dots}{shown}{'...' if len(line) > left + 110 else ''}\n  {' ' * (self.at - begin - left + len(dots))}^"


class UnknownMetricError(RheostaxError, ValueError):
    """Report an observation of a metric that no policy monitors."""


class GroupError(RheostaxError, ValueError):
    """Report parameters that match no group or several, and groups that match no parameter."""


class StateError(RheostaxError, ValueError):
    """Report a state that does not hold what was asked of it."""


class DisagreementError(RheostaxError):
    """Report, on all processes, that they don't hold the same learning rate, or weren't told the same."""


class TaskError(RheostaxError):
    """Report a training task that can't be found, imported or used."""


class DivergedError(ArgumentError):
    """Report that nothing can be told of any training, since its losses became NaN or infinite, or ran away at once."""

    @classmethod
    def at_once(cls, loss: float, cause: str) -> DivergedError:
        """Return the error for a loss that is NaN or infinite before any update, so that it isn't the rate, `cause`, that made it so."""
        return cls(
            f"The loss is {loss} at the first update, before {cause} could do anything: look at the model, the loss and the batches "
            "(jax.debug_nans finds the place)."
        )


class RunError(RheostaxError):
    """Report a run directory that can't be written or read."""


class MissingExtraError(RheostaxError, ImportError):
    """Report an optional dependency that isn't installed, and the extra that brings it."""


class RheostaxWarning(UserWarning):
    """Warn of something that runs but is probably not what was meant."""
