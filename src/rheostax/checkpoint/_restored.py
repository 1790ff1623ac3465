"""`Restored`: what came out of a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rheostax._words import counted

__all__ = ["Restored"]


@dataclasses.dataclass(frozen=True)
class Restored:
    """What `Checkpoints.restore` returns.

    Attributes:
        count: Updates applied when it was saved.
        trees: The restored pytrees by the names that they were asked for by; `restored["params"]` is `restored.trees["params"]`.
            (A model and an `nnx.Optimizer` are restored in place.)
        data: The position in the data, as it was saved.
        differences: Settings that the code and the checkpoint have otherwise, each in words with both values.
        carried: What was taken over although the settings differ.
        dropped: What only the checkpoint has, and what of it is gone.
        anew: What began anew.
    """

    count: int
    trees: Mapping[str, Any] = dataclasses.field(repr=False, compare=False)
    data: Any
    differences: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.trees[name]

    def __str__(self) -> str:
        lines = [f"restored at {counted(self.count, 'update')}"]
        for title in ("differences", "carried", "dropped", "anew"):
            lines += [f"  {title}: {one}" for one in getattr(self, title)]
        return "\n".join(lines)
