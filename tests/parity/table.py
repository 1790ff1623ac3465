"""`docs/parity.md`: what was compared with which peer, written by `make parity ARGS=--write-table`."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"

HEAD = """# Parity

Each function in `rx.compat` has the name, the arguments, the defaults and the counting of its peer, and is compared with the peer
itself: random configurations, whole trajectories, random metrics where it reacts to any. The peer computes in float64, Keras, whose
usual float32 has larger errors, by `keras.config.set_floatx("float64")` (but for `LearningRateScheduler`); the difference is that of our
float32 rate from the peer's rounded to float32, in units of the last place. What a peer's own rounding errors in
float64 leave over where its rate should be 0 isn't counted.

`rx.compat.torch.convert` is compared for every class of PyTorch's in the middle of a run, from the scheduler and from its `state_dict`,
and for pairs of classes in a `SequentialLR` before and after its milestone; every pair made by `rx.compat.torch.SequentialLR` is either
as in PyTorch or refused. What Transformers has is compared through `rx.compat.transformers.convert`.

This page is written by `make parity ARGS=--write-table`.
"""

COLUMNS = "| {peer} | ours | configurations | largest difference | different on purpose |\n| --- | --- | --- | --- | --- |\n"


def known(name: str) -> str:
    """Return the section of the page on a peer, or nothing."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    found = re.search(rf"^## {name} .*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def section(peer: str, rows: list[dict[str, Any]]) -> str:
    """Return the section on a peer: what was compared, and what there is nothing of ours for."""
    lines = [
        f"| `{row['name']}` | {row['ours']} | {row['configurations']} | {row['largest']:.0f} ulp | {row['deviations']} |"
        for row in sorted(rows, key=lambda row: row["name"])
    ]
    lines += [f"| `{name}` | none: {reason} | | | |" for name, reason in ABSENT.get(peer, {}).items()]
    version = importlib.metadata.version(peer).partition("+")[0]
    return f"## {peer} {version}\n\n{COLUMNS.format(peer=peer)}" + "\n".join(lines) + "\n"


def write(rows: list[dict[str, Any]]) -> None:
    """Write the page; the sections on peers of which nothing was compared now stay as they are."""
    compared = {row["peer"] for row in rows}
    sections = {peer: section(peer, [row for row in rows if row["peer"] == peer]) for peer in compared}
    sections = {peer: sections.get(peer) or known(peer) for peer in sorted(compared | set(PEERS))}
    PAGE.write_text(HEAD + "".join(f"\n{text.rstrip()}\n" for text in sections.values() if text), "utf-8")


PEERS = ("keras", "optax", "timm", "torch", "transformers")

# What a peer has and we have nothing for, with the reason.
ABSENT: dict[str, dict[str, str]] = {
    "keras": {
        "LearningRateSchedule": "the abstract base of the others",
        "TerminateOnNaN": "it ends a training at a NaN loss; `on_nonfinite='skip'` of `rx.control` skips such an update",
        "deserialize": "makes a schedule of its configuration; ours is `rx.parse`, `rheostax.expressions.from_json`",
        "serialize": "the configuration of a schedule; ours is its `repr`, `rheostax.expressions.to_json`",
    },
    "optax": {
        "inject_hyperparams": "it makes an optimizer, not a schedule: `rx.control` is in its place",
        "inject_stateful_hyperparams": "the same",
    },
    "timm": {
        "Scheduler": "the abstract base of the others",
        "create_scheduler": "makes one of the classes of a training script's options",
        "create_scheduler_v2": "the same, of arguments",
        "scheduler_kwargs": "turns such options into arguments",
    },
    "torch": {"LRScheduler": "the abstract base of the others"},
    "transformers": {
        "get_reduce_on_plateau_schedule": "it is PyTorch's `ReduceLROnPlateau`, see there; ours hands it on, too",
        "get_adafactor_schedule": "it only shows the rate that Adafactor computes within itself",
        "EarlyStoppingCallback": "it ends a Trainer's run; `rx.StopOnPlateau` is the signal, `rx.compat.keras.EarlyStopping` counts alike",
        "LayerWiseDummyScheduler": "it shows a rate that the optimizers of single layers have; it changes none",
        "AdafactorSchedule": "it only shows the rate that Adafactor computes within itself",
    },
}
