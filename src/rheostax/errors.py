"""What rheostax raises on purpose.

Everything here derives from `RheostaxError`, so that a program (the command line does it) can tell a user's mistake, which
deserves one clear line, from a bug, which deserves its stack trace.
"""

__all__ = ["ArgumentError", "GroupError", "RheostaxError", "RheostaxWarning", "StateError", "UnknownMetricError"]


class RheostaxError(Exception):
    """Base of every error that rheostax raises on purpose."""


class ArgumentError(RheostaxError, ValueError):
    """Report an argument that breaks a rule; the message quotes the argument, the rule and the value."""


class UnknownMetricError(RheostaxError, ValueError):
    """Report an observation of a metric that no policy monitors."""


class GroupError(RheostaxError, ValueError):
    """Report parameters that match no group or several, and groups that match no parameter."""


class StateError(RheostaxError, ValueError):
    """Report a state that does not hold what was asked of it."""


class TaskError(RheostaxError):
    """Report a training task that can't be found, imported or used."""


class RunError(RheostaxError):
    """Report a run directory that can't be written or read."""


class MissingExtraError(RheostaxError, ImportError):
    """Report an optional dependency that isn't installed, and the extra that brings it."""


class RheostaxWarning(UserWarning):
    """Warn of something that runs but is probably not what was meant."""
