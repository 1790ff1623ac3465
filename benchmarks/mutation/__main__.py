"""`python -m benchmarks.mutation`: make mutants, run the tests on them, print the score."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path

from benchmarks.mutation._scope import modules, tests

try:
    from benchmarks.mutation import _execution, _report, _session
except ModuleNotFoundError as absent:
    if absent.name != "cosmic_ray":
        raise
    sys.exit("Mutation testing needs cosmic-ray: pip install 'rheostax[mutation]'.")


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    root = Path.cwd()
    if absent := [str(module) for module in modules(options.modules) if not module.is_file()]:
        print(f"There is no {absent[0]} here; name modules as src/rheostax/schedules/cosine.py, in the project's folder.", file=sys.stderr)
        return 2
    with _session.open_session(options.session) as db:
        session = _session.Session(db)
        if not options.resume:
            session.begin(root, modules(options.modules))
        chosen = {str(module) for module in modules(options.modules)}
        mutants = [mutant for mutant in session.draw(options.sample) if mutant.module in chosen]
        pending = [mutant for mutant in mutants if not mutant.outcome or (options.again and mutant.outcome == "survived")]
        with tempfile.TemporaryDirectory() as folder:
            _execution.copy(root, Path(folder))
            with _execution.Execution(Path(folder)) as execution:
                _try_all(session, execution, pending, options)
        found = _report.summary([mutant for mutant in session.draw(options.sample) if mutant.module in chosen])
    print(_show(found, options.sample))
    if options.json:
        options.json.write_text(json.dumps({"sample": options.sample, "seed": _session.SEED, **found}, indent=1) + "\n")
    return 0


def _try_all(session, execution, pending, options):
    """Decide all pending mutants, module by module; the module's tests have to pass without a mutation before and after."""
    begin, done, root = time.monotonic(), 0, Path.cwd()
    for name, group in groupby(pending, key=lambda mutant: mutant.module):
        module = Path(name)
        wanted = tests(module)
        taken = execution.check(module, wanted)
        limit = options.limit or 20 + 3 * taken
        original = (root / module).read_text()
        for mutant in group:
            if options.minutes and time.monotonic() - begin > 60 * options.minutes:
                return
            mutated = session.source(root, mutant)
            outcome, by, seconds = execution.decide(module, mutated, wanted, limit)
            session.note(mutant, outcome, by, _session.change(original, mutated))
            done += 1
            _say(f"{done}/{len(pending)} {outcome:8} {seconds:5.1f} s  {name}:{mutant.line} {mutant.operator}  {by}")
        execution.check(module, wanted)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(found: dict, sample: float) -> str:
    lines = [_report.table(found), ""]
    lines += [f"survived: {one['module']}:{one['line']} {one['where']}: {one['change']}" for one in found["survivors"]]
    whole = found["all"]
    if whole["score"] is not None:
        low, high = whole["interval"]
        part = f" of a sample of {sample:.0%}, 95% interval {low:.1%} to {high:.1%}" if sample < 1 else ""
        lines.append(f"Score: {whole['score']:.1%} ({whole['tried'] - whole['survived']} of {whole['tried']} mutants noticed){part}")
    return "\n".join(lines)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.mutation", description="Mutation testing of the schedules and policies.")
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="modules to mutate, as src/rheostax/schedules/cosine.py; all by default"
    )
    parser.add_argument(
        "--sample", type=float, default=1.0, metavar="PART", help="try this part of every package's mutants, drawn by chance"
    )
    parser.add_argument("--minutes", type=float, help="stop after so many minutes; --resume goes on")
    parser.add_argument(
        "--limit", type=float, help="seconds of processor time for a module's tests; else 20 and three times what they take"
    )
    parser.add_argument("--session", type=Path, default=Path(".mutation.sqlite"), metavar="FILE", help="where cosmic-ray keeps the session")
    parser.add_argument("--resume", action="store_true", help="go on with the session instead of beginning a new one")
    parser.add_argument("--again", action="store_true", help="with --resume: try the survivors again, since there are new tests")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except _execution.BrokenTestsError as broken:
        sys.exit(str(broken))
