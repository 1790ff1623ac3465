"""What one of several processes does in `test_processes.py`: every scenario once, its outcome as JSON."""

import json
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import PartitionSpec as P

import rheostax as rx
from rheostax import parallel
from rheostax.training.spread import Spread

RATE = 0.1 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5)
TX = rx.control(optax.sgd, RATE)
PARAMS = {"w": np.ones(3, np.float32)}  # of numpy: nothing of JAX may start before its distributed runtime
SCENARIOS = {}
HOWS = ("mean", "min", "max")


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def outcome(function, *arguments):
    """Return what a call raises, in words."""
    try:
        function(*arguments)
    except rx.RheostaxError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


@jax.jit
def step(state, metrics):
    return TX.update(PARAMS, state, PARAMS, **metrics)[1]


def next_rate(state):
    """Return the rate that the next update will use."""
    return float(step(state, {}).learning_rate)


COMMON = (1.0, 0.9, 0.9, 0.8, 0.85, 0.8, 0.7, 0.7)


def losses(own, count):
    """A validation loss per epoch whose mean over the processes is COMMON; that of the first always falls, of the last always rises."""
    return [loss + 0.3 * epoch * (own - (count - 1) / 2) for epoch, loss in enumerate(COMMON)]


@scenario
def different_metrics(own, count):
    """Each process hands over its own metric."""
    state, rates = TX.init(PARAMS), []
    for loss in losses(own, count):
        state = rx.observe(state, val_loss=loss)
        rates.append(next_rate(state))
    parallel.check_agreement(state)
    return rates


@scenario
def one_process_knows(own, count):
    """Only one process has evaluated."""
    state = TX.init(PARAMS)
    for loss in (0.7, 0.7):
        state = rx.observe(state, val_loss=loss if own == count - 1 else None)
    nobody = rx.observe(state, val_loss=None)
    parallel.check_agreement(state)
    return {"rate": next_rate(state), "nobody is nothing": bool((state.ints == nobody.ints).all())}


@scenario
def eager_update(own, count):
    """An update outside of jit hears the mean too."""
    tx = rx.control(optax.sgd, 0.1 * rx.ReduceOnPlateau(patience=1, factor=0.5))
    state = tx.init(PARAMS)
    for _ in range(2):
        _, state = tx.update(PARAMS, state, PARAMS, value=1.0 + own)
    drop = rx.reduce_on_plateau(patience=1)
    dropped = drop.init(PARAMS)
    _, dropped = drop.update(PARAMS, dropped, PARAMS, value=1.0 + own)
    return {"rate": float(state.learning_rate), "dropped": float(dropped.best_value)}


@scenario
def reductions(own, count):
    """Mean, weighted mean, min, max; NaN; no weight; equal values."""
    odd = np.float32(0.1) + np.float32(own) * np.float32(0.37)
    third = np.float32(1 / 3)
    reduce = parallel.reduce_metrics
    return {
        "mean": float(reduce({"a": odd})["a"]),
        "weighted": float(reduce({"a": odd}, weight=own + 1)["a"]),
        "min": float(reduce({"a": odd}, "min")["a"]),
        "max": float(reduce({"a": -odd}, "max")["a"]),
        "nan": [str(reduce({"a": math.nan if own else 1.0}, how)["a"]) for how in ("mean", "min", "max")],
        "unweighted nan": float(reduce({"a": math.nan if own else 1.0}, weight=0 if own else 3)["a"]),
        "no weight at all": reduce({"a": 1.0}, weight=0),
        "equal": float(reduce({"a": third})["a"]) == float(third),
        "huge": float(reduce({"a": 3e38}, weight=1000)["a"]),
        "many": {name: float(value) for name, value in reduce({f"m{i}": i + own for i in range(11)}, "max").items()},
    }


@scenario
def different_names(own, count):
    return {
        "names": outcome(lambda: parallel.reduce_metrics({f"loss{min(own, 1)}": 1.0})),
        "number": outcome(lambda: parallel.reduce_metrics(dict.fromkeys("abcd"[: 1 + own], 1.0))),
        "how": outcome(lambda: parallel.reduce_metrics({"a": 1.0}, "min" if own else "max")),
    }


@scenario
def local_metric_inside_jit(own, count):
    """Nothing can see it there; the comparison finds it, on all processes."""
    state = TX.init(PARAMS)
    for k in range(4):
        state = step(state, {"val_loss": jnp.float32(1.0 - (0.1 * k if own else 0.0))})
    return {"rate": float(state.learning_rate), "says": outcome(parallel.check_agreement, state)}


@scenario
def changed_by_hand(own, count):
    """The rate of one process is changed by hand; all find out at the same update."""
    state, agreement = TX.init(PARAMS), parallel.Agreement(every=3)
    for update in range(20):
        state = step(state, {})
        if update == 7 and own == 1:
            state = rx.set_learning_rate(state, 0.025)
        says = outcome(agreement.check, state)
        if says != "nothing":
            return {"update": update, "says": says, "rate": float(state.learning_rate)}
    return {"says": "nothing"}


@scenario
def different_expressions(own, count):
    rate = RATE * rx.SpikeGuard() if own else RATE
    return {"says": outcome(parallel.check_agreement, rx.control(optax.sgd, rate).init(PARAMS))}


@scenario
def data_parallel(own, count):
    """Global arrays: the loss is one number, the states agree, and are those of one process."""
    mesh = parallel.data_mesh()
    x = np.linspace(-1, 1, 16 * 8, dtype=np.float32).reshape(16, 8)
    part = 16 // count
    sent = parallel.shard_batch(x[own * part : (own + 1) * part], mesh)
    taken = parallel.shard_batch(x, mesh, whole=True)
    tx = rx.control(optax.adam, 0.1 * rx.ReduceOnPlateau(patience=1, rtol=0.5, factor=0.5))
    out = {}
    for name, fully in (("replicated", False), ("fully sharded", True)):
        params = parallel.place({"w": np.full((8, 64), 0.1, np.float32), "b": np.zeros(3, np.float32)}, mesh, fully_sharded=fully)
        state = parallel.place(tx.init(params), mesh)

        @jax.jit
        def update(params, state, x):
            loss, grads = jax.value_and_grad(lambda p: ((x @ p["w"] + p["b"].sum() - 1) ** 2).mean())(params)
            updates, state = tx.update(grads, state, params, value=loss)
            return optax.apply_updates(params, updates), state, loss

        for batch in (sent, taken, sent, taken):
            params, state, loss = update(params, state, batch)
        parallel.check_agreement(state)
        state = rx.observe(state, value=loss)
        parallel.check_agreement(state)
        moment = state.inner[0].mu["w"]
        out[name] = {
            "loss": float(loss),
            "rate": float(state.learning_rate),
            "w": [str(params["w"].sharding.spec), str(moment.sharding.spec)],
            "traces": update._cache_size(),
        }
    return out


@scenario
def inside_shard_map(own, count):
    mesh = parallel.data_mesh()
    values = parallel.shard_batch(np.array([1.0 + own], np.float32), mesh)

    def local(value):
        metrics = [parallel.reduce_metrics({"value": value[0]}, how, weight=value[0], axis="data")["value"] for how in HOWS]
        state = TX.update(PARAMS, TX.init(PARAMS), PARAMS, val_loss=metrics[0])[1]
        return state.floats, metrics  # JAX refuses it unless both are the same everywhere

    metrics = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=P("data"), out_specs=P()))(values)[1]
    return dict(zip(HOWS, map(float, metrics), strict=True))


@scenario
def different_beginnings(own, count):
    mesh = parallel.data_mesh()
    return {
        "values": outcome(lambda: parallel.place({"a": np.ones(3), "w": np.full(2, own)}, mesh)),
        "shapes": outcome(lambda: parallel.place({"w": np.ones(2 + own)}, mesh)),
        "key": str(parallel.place(jax.random.key(3), mesh).sharding.spec),
    }


@scenario
def first_process_fails(own, count):
    """What the first process can't do, none of them does; a flag that one has is seen by all."""

    def fail():
        raise rx.ArgumentError("there is no room")

    spread = Spread(parallel.data_mesh())
    done = [spread.once(lambda: "done"), spread.any(own == 1), spread.any(False)]
    return {"says": outcome(spread.once, fail), "done": done}


@scenario
def each_for_itself(own, count):
    with parallel.independent():
        state = TX.init(PARAMS)
        for _ in range(3 + own):
            state = rx.observe(state, val_loss=1.0)
        return {"value": float(parallel.reduce_metrics({"a": own})["a"])}


def main(address, count, own, *chosen):
    parallel.initialize(address, int(count), int(own), heartbeat_timeout_seconds=20)
    started = {"processes": jax.process_count(), "again": outcome(lambda: parallel.initialize(address, int(count), int(own)))}
    found = {name: SCENARIOS[name](int(own), int(count)) for name in chosen or SCENARIOS}
    print(json.dumps(found | {"started": started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
