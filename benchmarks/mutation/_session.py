"""The session: which mutants there are, which are drawn, and what became of them. cosmic-ray makes it and keeps it in a file."""

from __future__ import annotations

import dataclasses
import difflib
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.commands.init import _all_work_items  # `init` itself keeps everything, what does nothing too
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

from benchmarks.mutation._scope import OPERATORS, no_behaviour

SEED = 20


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One fault, and its outcome: killed, timeout, survived, or "" for not tried yet."""

    job: str
    module: str
    line: int
    operator: str
    occurrence: int  # of the operator in the module
    where: str
    outcome: str = ""
    by: str = ""
    change: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.where}: {self.change or self.operator}"


class Session:
    """The mutants of some modules in a file; `draw` says which of them count."""

    def __init__(self, db: WorkDB) -> None:
        self._db = db

    def begin(self, root: Path, modules: Iterable[Path]) -> None:
        """Make the mutants of modules, instead of all that were there."""
        self._db.clear()
        for module in modules:
            silent = no_behaviour((root / module).read_text())
            items = _all_work_items([root / module], {})
            wanted = (item for item in items if _counts(item.mutations[0], silent))
            self._db.add_work_items(WorkItem.single(item.job_id, _relative(item.mutations[0], module)) for item in wanted)

    def draw(self, part: float) -> list[Mutant]:
        """Return that part of every package's mutants, by chance but always the same, and a smaller part among a larger one."""
        found: dict[str, list[Mutant]] = {}
        for mutant in sorted(self, key=lambda mutant: (mutant.module, mutant.line, mutant.operator, mutant.occurrence)):
            found.setdefault(mutant.module.rpartition("/")[0], []).append(mutant)
        drawn = []
        for mutants in found.values():
            chance = random.Random(SEED)
            order = sorted(mutants, key=lambda _: chance.random())
            drawn += order[: round(part * len(order))]
        return sorted(drawn, key=lambda mutant: (mutant.module, mutant.line))

    def __iter__(self) -> Iterator[Mutant]:
        results = dict(self._db.results)
        for item in self._db.work_items:
            (spec,), result = item.mutations, results.get(item.job_id)
            known = {} if result is None else {"outcome": _outcome(result), "by": result.output or "", "change": result.diff or ""}
            name = spec.operator_name.removeprefix("core/")
            where = spec.definition_name or "module"
            yield Mutant(item.job_id, str(spec.module_path), spec.start_pos[0], name, spec.occurrence, where, **known)

    def source(self, root: Path, mutant: Mutant) -> str:
        """Return the mutated module."""
        (spec,) = next(item.mutations for item in self._items() if item.job_id == mutant.job)
        operator = cosmic_ray.plugins.get_operator(spec.operator_name)(**spec.operator_args)
        mutated = mutate_code((root / spec.module_path).read_text(), operator, spec.occurrence)
        if mutated is None:
            raise LookupError(f"{mutant} is no more in the module: begin a new session.")
        return mutated

    def _items(self) -> tuple[WorkItem, ...]:
        if not hasattr(self, "_known"):
            self._known = self._db.work_items
        return self._known

    def note(self, mutant: Mutant, outcome: str, by: str, change: str) -> None:
        """Write down what became of a mutant."""
        seen = TestOutcome.SURVIVED if outcome == "survived" else TestOutcome.KILLED
        worker = WorkerOutcome.ABNORMAL if outcome == "timeout" else WorkerOutcome.NORMAL
        self._db.set_result(mutant.job, WorkResult(worker, by, seen, change))


def open_session(file: Path) -> object:
    """Open a session's file, or make it; a context manager of the database."""
    return use_db(str(file), WorkDB.Mode.create)


def change(before: str, after: str) -> str:
    """Say in one line what is different in a mutated module."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    old, new = [], []
    for line in lines:
        (old if line.startswith("- ") else new if line.startswith("+ ") else []).append(line[2:].strip())
    return f"{' '.join(old)}  =>  {' '.join(new) or '(nothing)'}"


def _outcome(result: WorkResult) -> str:
    if result.test_outcome == TestOutcome.SURVIVED:
        return "survived"
    return "timeout" if result.worker_outcome == WorkerOutcome.ABNORMAL else "killed"


def _counts(spec: MutationSpec, silent: list) -> bool:
    return spec.operator_name in OPERATORS and not any(span.holds(tuple(spec.start_pos), tuple(spec.end_pos)) for span in silent)


def _relative(spec: MutationSpec, module: Path) -> MutationSpec:
    return MutationSpec(module, spec.operator_name, spec.occurrence, spec.start_pos, spec.end_pos, spec.operator_args, spec.definition_name)
