"""Random expressions of every class, for the round trips."""

import inspect
import string

import hypothesis.strategies as st

import rheostax as rx
from rheostax.expressions import _vocabulary
from tests.conformance.catalogue import SAMPLES, sample_arguments

COUNTS = st.integers(1, 2**31 - 1)
DURATIONS = COUNTS | st.builds(rx.Duration, st.floats(1e-3, 1e12), st.sampled_from(["ep", "sa", "tok", "run"]))
RATES = st.floats(0.0, 1e3, allow_subnormal=True)
NAMES = st.text(string.ascii_letters + "äß_", min_size=1, max_size=8).filter(
    lambda name: name.isidentifier() and name not in ("updates", "state", "params", "model", "grads")
)
INCREASING = st.lists(COUNTS, min_size=2, max_size=2, unique=True).map(sorted)

# What an argument of a name takes; for the others, what the conformance suite samples.
STRATEGIES = {
    "accumulation_size": DURATIONS,
    "amplitude": st.floats(1e-3, 1.0),
    "atol": RATES,
    "boundaries": INCREASING,
    "cooldown": COUNTS,
    "end_value": RATES,
    "factor": st.floats(1e-3, 0.999),
    "init_value": RATES,
    "k_decay": st.none() | st.floats(1e-2, 9.0),
    "latest": st.none() | INCREASING,
    "max_restarts": st.none() | COUNTS,
    "mode": st.sampled_from(["min", "max"]),
    "monitor": NAMES,
    "patience": COUNTS,
    "peak_value": RATES,
    "period": st.integers(1, 10**6),
    "rtol": st.floats(0.0, 1.0),
    "seed": COUNTS,
    "shape": st.sampled_from(["linear", "cosine", "1-sqrt", "polynomial"]),
    "transition_steps": DURATIONS,
    "decay_steps": DURATIONS,
    "value": RATES,
    "values": st.lists(RATES, min_size=3, max_size=3),
}
# Where a name means something narrower, or arguments belong together.
OF_ONE_CLASS = {
    "BrokenStep": {"counts": COUNTS, "cuts": COUNTS, "late": st.integers(0, 1)},
    "CosineFalls": {"cycles": st.integers(1, 9), "steps": st.integers(1, 10**6)},
    "CosinePower": {"exponent": st.floats(0.1, 4.0)},
    "CosineRestarts": {"decay_steps": st.integers(1, 10**6), "length_factor": st.integers(1, 3)},
    "CosineWave": {"cycles": st.floats(0.1, 9.0), "steps": DURATIONS, "end_value": st.floats(0.0, 0.9)},
    "Cycles": {"shape": st.sampled_from(["cosine", "polynomial", "tanh"]), "length_factor": st.sampled_from([1.0, 1.5])},
    "OneCycle": {"pct_start": st.floats(-0.9, 0.5), "three_phase": st.booleans()},
    "Renewed": {"steps": st.integers(1, 10**6), "late": st.integers(0, 1)},
    "PlateauRate": {"best_value": st.none() | st.floats(-9.0, 9.0, width=32)},
    "Warmup": {"steps": DURATIONS, "init_value": st.floats(1e-6, 1.0)},
    "WarmupStableDecay": {"decay_steps": st.integers(1, 9), "decay": st.sampled_from(["linear", "1-sqrt", "power", "half-life"])},
}
NESTED = ("rate", "rates", "before", "after")


def nodes(name, inner):
    """Return a strategy for one class; `inner` is one for what is within."""
    cls = _vocabulary.class_named(name)
    if name == "Groups":
        return st.builds(
            groups, st.dictionaries(st.text("ab/*?|'\"\\é", min_size=1, max_size=5), st.none() | inner, min_size=1, max_size=3)
        )
    if name == "Clip":
        return st.builds(lambda rate, low, more: rate.clip(low, None if more is None else low + more), inner, RATES, st.none() | RATES)
    if name == "Product":
        return st.builds(lambda a, b: a * b, inner, inner)
    arguments, known = {}, {}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.name in NESTED:
            several = parameter.name == "rates"
            arguments[parameter.name] = st.lists(inner | RATES, min_size=3, max_size=3) if several else inner
        elif parameter.name in OF_ONE_CLASS.get(name, {}) or parameter.name in STRATEGIES:
            strategy = OF_ONE_CLASS.get(name, {}).get(parameter.name, STRATEGIES.get(parameter.name))
            arguments[parameter.name] = strategy if parameter.default is parameter.empty else strategy | st.just(parameter.default)
        elif parameter.name in SAMPLES:
            known[parameter.name] = SAMPLES[parameter.name]
    return st.builds(lambda **given: made(cls, known | given), **arguments)


def groups(rates):
    return rx.Groups(rates) if len(rates) % 2 else rx.Groups(rates, rest=0.5)


def made(cls, arguments):
    try:
        return cls(**arguments)
    except rx.ArgumentError:  # a combination that breaks a rule; then with what the conformance suite has
        samples = sample_arguments(cls)
    try:
        return cls(**{name: arguments[name] if name in NESTED else value for name, value in samples.items()})
    except rx.ArgumentError:  # what is inside breaks one, as a schedule in a median does, which has to hear something
        return cls(**samples)


CLASSES = [*_vocabulary.classes(), *_vocabulary.PEERS]
WITHOUT_GROUPS = [name for name in CLASSES if name != "Groups"]
LEAVES = [name for name in WITHOUT_GROUPS if not set(NESTED) & set(inspect.signature(_vocabulary.class_named(name)).parameters)]
LEAVES.remove("Product")


def one_of(names, inner):
    return st.sampled_from(names).flatmap(lambda name: nodes(name, inner))


SIMPLE = one_of(LEAVES, st.nothing())
INNER = st.recursive(SIMPLE, lambda inner: one_of(WITHOUT_GROUPS, inner), max_leaves=4)
EXPRESSIONS = one_of(CLASSES, INNER) | INNER
