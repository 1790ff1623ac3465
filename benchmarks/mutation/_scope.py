"""What is mutated: which operators, where in a module, and which tests have to notice."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("schedules", "policies")
ROOT = Path("src/rheostax")

# An operator becomes its opposite. The others of its kind give a type error as a rule, and would only flatter the score.
BINARY = {
    "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul",
    "BitAnd_BitOr", "BitOr_BitAnd", "RShift_LShift", "LShift_RShift",
}  # fmt: skip
# A comparison moves its boundary, and is negated.
COMPARISONS = {
    "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
    "Eq_NotEq", "Eq_GtE", "NotEq_Eq", "Is_IsNot", "IsNot_Is",
}  # fmt: skip
UNARY = {"USub_UAdd", "Delete_Not", "Delete_Invert"}
OTHERS = {
    "AddNot", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator", "ReplaceAndWithOr", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ReplaceFalseWithTrue", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ZeroIterationForLoop",
}  # fmt: skip
OPERATORS = frozenset(
    "core/" + name
    for name in (
        *OTHERS,
        *(f"ReplaceBinaryOperator_{pair}" for pair in BINARY),
        *(f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS),
        *(f"ReplaceUnaryOperator_{pair}" for pair in UNARY),
    )
)


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of a file; positions are (line from 1, column from 0)."""

    start: tuple[int, int]
    end: tuple[int, int]

    def holds(self, start: tuple[int, int], end: tuple[int, int]) -> bool:
        return self.start <= start and end <= self.end


def no_behaviour(source: str) -> list[Span]:
    """Return the stretches of a module that say something to people or type checkers, and do nothing."""
    return [Span((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in _words(ast.parse(source))]  # type: ignore[attr-defined]


def _words(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield annotations, texts with numbers in them, the words of errors, and the self-checks of `zip`."""
    for found in ast.walk(tree):
        if isinstance(found, ast.JoinedStr):
            yield found
        elif isinstance(found, ast.AnnAssign | ast.arg) and found.annotation is not None:
            yield found.annotation
        elif isinstance(found, ast.FunctionDef) and found.returns is not None:
            yield found.returns
        elif isinstance(found, ast.Raise) and isinstance(found.exc, ast.Call):
            yield from found.exc.args
        elif isinstance(found, ast.Call) and isinstance(found.func, ast.Name) and found.func.id == "zip":
            yield from found.keywords


def modules(chosen: list[str] | None = None) -> list[Path]:
    """Return the modules to mutate, relative to the project: those named, or all of the packages."""
    if chosen:
        return [Path(name) for name in chosen]
    found = (path for package in PACKAGES for path in sorted((ROOT / package).glob("*.py")))
    return [path for path in found if path.name != "__init__.py"]


def tests(module: Path) -> list[str]:
    """Return what to give pytest for a module: files, each with an optional `::` and a regular expression for test names.

    The module's own examples come first, then what is likely to notice, then the rules for arguments.
    """
    package, stem = module.parent.name, module.stem
    name, class_name = f"{package}/{stem}", "".join(word.title() for word in stem.split("_"))
    likely = TESTS.get(name, (f"tests/{package}/test_{stem}.py",))
    wanted = [str(module), *likely, rf"tests/test_bounds.py::\[{class_name}(-|\])", *MORE.get(name, ())]
    return [one for one in wanted if Path(one.partition("::")[0]).exists()]


VALUES = "tests/schedules/test_by_operation.py::"
NODES = "tests/schedules/test_nodes_by_operation.py::"
RULES = "tests/test_arguments.py::test_other_rules|just_long_enough|may_be_traced"
WRONG = "tests/schedules/test_cycles.py::test_wrong_arguments"

POLICIES = "tests/policies/test_by_operation.py::"
STATISTICAL = "tests/policies/test_statistical_plateau.py::"
WORDS = "tests/policies/test_words.py::"

# Per module, the tests that are likely to notice.
TESTS: dict[str, tuple[str, ...]] = {
    "policies/_actions": (
        "src/rheostax/policies/reduce_on_plateau.py",
        r"tests/test_bounds.py::ReduceOnPlateau",
        POLICIES + "test_reduce|advance|stop",
        WORDS + "Reduce|Advance|Stop",
    ),
    "policies/_flatness": (STATISTICAL + "its_definition|correlation_is|bad_numbers",),
    "policies/_on_statistical_plateau": (STATISTICAL + "its_definition|paired_diff|words|bad_|test_arguments",),
    "policies/_paired": (STATISTICAL + "paired_change",),
    "policies/_improvement": (POLICIES + "test_reduce|plateau_rate", "tests/policies/test_improvement.py::anything|strict"),
    "policies/_on_plateau": (POLICIES + "test_reduce|means|stop", WORDS + "Reduce", r"tests/test_bounds.py::ReduceOnPlateau"),
    "policies/_policy": (POLICIES + "test_reduce|spike", WORDS, "tests/policies/test_reduce_on_plateau.py::observations_of_other|counters"),
    "policies/advance_on_plateau": (POLICIES + "advance", WORDS + "Advance"),
    "policies/advance_on_statistical_plateau": (STATISTICAL + "advancing|words|bad_arg",),
    "policies/greedy": (POLICIES + "greedy", WORDS + "Greedy"),
    "policies/median": ("tests/policies/test_faults.py::median|glitch|wrong",),
    "policies/plateau_rate": (POLICIES + "plateau_rate", "tests/policies/test_plateau_rate.py::says_why|refused"),
    "policies/reduce_on_plateau": (POLICIES + "test_reduce", WORDS + "Reduce"),
    "policies/reduce_on_statistical_plateau": (STATISTICAL + "words|bad_arg|begins_anew",),
    "policies/restart_on_plateau": (POLICIES + "restart", WORDS + "Restart"),
    "policies/spike_guard": (POLICIES + "spike", WORDS + "SpikeGuard"),
    "policies/stop_on_plateau": (POLICIES + "stop", WORDS + "Stop"),
    "policies/stop_on_statistical_plateau": (STATISTICAL + "advancing|words|bad_arg",),
    "schedules/_progress": (VALUES + r"families|step", NODES + "again_and_again|exponential"),
    "schedules/_weights": (VALUES + "families|one cycle",),
    "schedules/clock": (NODES + "clock",),
    "schedules/cosine": (VALUES + r"\[cosine(, k-decay)?\]", NODES + r"test_lengths.*\[Cosine-"),
    "schedules/cosine_restarts": (VALUES + "restarts", NODES + r"restarts|far_below|\[CosineRestarts-"),
    "schedules/cyclic": (VALUES + "cyclic", NODES + r"two_halves|far_below|\[Cyclic-"),
    "schedules/exponential": (NODES + r"exponential|\[Exponential-",),
    "schedules/extended": (NODES + r"extend|\[Extended-",),
    "schedules/inverse_sqrt": (VALUES + r"\[inverse square root\]", NODES + r"\[InverseSqrt-"),
    "schedules/join": (NODES + r"join|\[Join-",),
    "schedules/linear": (VALUES + r"\[linear\]", NODES + r"\[Linear-"),
    "schedules/multi_step": (VALUES + "multi-step", NODES + r"\[MultiStep-"),
    "schedules/noam": (VALUES + r"\[noam\]", NODES + r"\[Noam-|last_count"),
    "schedules/noise": (NODES + r"noise|\[Noise-",),
    "schedules/one_cycle": (VALUES + "one cycle", NODES + r"far_below|\[OneCycle-"),
    "schedules/piecewise_constant": (VALUES + r"\[constants\]", NODES + r"\[PiecewiseConstant-"),
    "schedules/piecewise_interpolate": (VALUES + "pieces, ", NODES + r"of_one_update|\[PiecewiseInterpolate-"),
    "schedules/polynomial": (VALUES + r"\[polynomial(, k-decay)?\]", NODES + r"\[Polynomial-"),
    "schedules/power": (VALUES + r"\[power\]", NODES + r"\[Power-"),
    "schedules/repeat": (NODES + r"repeat|\[Repeat-",),
    "schedules/rex": (VALUES + r"\[rex\]", NODES + r"\[Rex-"),
    "schedules/shift": (NODES + r"shift|\[Shift-", "tests/schedules/test_cycles.py::shift"),
    "schedules/staircase": (NODES + r"staircase|\[Staircase-", "tests/schedules/test_cycles.py::staircase"),
    "schedules/step": (VALUES + r"\[step\]", NODES + r"\[Step-"),
    "schedules/tanh": (VALUES + r"\[tanh\]", NODES + r"\[Tanh-"),
    "schedules/warmup": (VALUES + r"\[warm-up", NODES + r"\[Warmup-"),
    "schedules/warmup_stable_decay": (VALUES + r"\[(stable,|.*, linear\]|power, half-life)", NODES + r"\[WarmupStableDecay-"),
}

# Per module, what is tried last: it compiles, or asks for words.
MORE: dict[str, tuple[str, ...]] = {
    "policies/_actions": ("tests/policies/test_on_plateau.py::refused|in_charge|latest|should_stop", STATISTICAL + "advancing"),
    "policies/_flatness": (STATISTICAL + "false_cuts|cuts_on|overflow|a_jump|blur",),
    "policies/_on_statistical_plateau": (STATISTICAL + "begins_anew|advancing|fixed_size",),
    "policies/_improvement": ("tests/policies/test_improvement.py",),
    "policies/_on_plateau": (
        "tests/policies/test_reduce_on_plateau.py::words|best_improve|dead|overflow|first_value",
        "tests/test_units.py::stretching",
    ),
    "policies/advance_on_plateau": ("tests/policies/test_on_plateau.py::refused|in_charge|latest_without",),
    "policies/greedy": ("tests/policies/test_on_plateau.py::refused|greedy|min_change",),
    "policies/plateau_rate": ("tests/policies/test_plateau_rate.py",),
    "policies/restart_on_plateau": ("tests/policies/test_on_plateau.py::refused|begin_anew",),
    "policies/spike_guard": (
        "tests/policies/test_on_plateau.py::refused|new_level|rounding",
        "tests/control/test_skipping.py::guard_skips|as_many|skipped_spike|spike_that",
        "tests/test_rollback.py::come_back|in_a_spike|cut_survives|further_back|good_copy|that_are_none|journal|healthy|who_can_ask",
    ),
    "policies/stop_on_plateau": ("tests/policies/test_on_plateau.py::should_stop",),
    "schedules/clock": ("tests/test_units.py::clock",),
    "schedules/cosine": (RULES,),
    "schedules/cosine_restarts": (WRONG, "tests/schedules/test_cycles.py::outgrow"),
    "schedules/cyclic": (WRONG,),
    "schedules/exponential": (RULES, "tests/schedules/test_values.py::stops_at"),
    "schedules/join": (RULES, "tests/test_rate.py::join|part_in_charge|horizon|written"),
    "schedules/noise": (RULES, "tests/schedules/test_noise.py::seed"),
    "schedules/one_cycle": (WRONG,),
    "schedules/piecewise_constant": (WRONG,),
    "schedules/piecewise_interpolate": (WRONG,),
    "schedules/polynomial": (RULES,),
    "schedules/repeat": ("tests/schedules/test_repeat.py::wrong|optax|foreign|policy_within|units|nothing_to_extend",),
    "schedules/step": (WRONG,),
    "schedules/tanh": (RULES,),
    "schedules/warmup": (RULES,),
    "schedules/warmup_stable_decay": (RULES, "tests/schedules/test_values.py::stable_part|without_warm_up|timescale"),
}
