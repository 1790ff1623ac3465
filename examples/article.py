"""A rate that reacts to the loss, the usual schedules, and a record of both, on real data: `python examples/article.py`.

The model tells three species of iris apart by the length and width of a petal.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from matplotlib.figure import Figure
from sklearn.datasets import load_iris

import rheostax as rx


class Model(nnx.Module):
    """Two linear layers."""

    def __init__(self, din: int, dmid: int, dout: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(din, dmid, rngs=rngs)
        self.linear_out = nnx.Linear(dmid, dout, rngs=rngs)

    def __call__(self, x):
        return self.linear_out(nnx.relu(self.linear(x)))


# An optimizer and a plateau in a chain, as with optax's own transformation ...
chained = optax.chain(optax.adam(1e-3), rx.reduce_on_plateau(patience=10, cooldown=1, factor=0.5, rtol=1e-5))

# ... and the better form: the same updates, and a learning rate that can be read, changed and explained.
controlled = rx.control(optax.adam, 1e-3 * rx.ReduceOnPlateau(patience=10, cooldown=1, factor=0.5, rtol=1e-5))


@nnx.jit
def train_step(model, optimizer, x, y):
    loss, grads = nnx.value_and_grad(lambda model: ((model(x) - y) ** 2).mean())(model)
    optimizer.update(model, grads, value=loss)
    return loss


# The usual schedules, alone and combined. All of them are optax schedules too.
schedules = {
    "cosine": rx.Cosine(1e-3, 500),
    "linear": rx.Linear(1e-3, 1e-4, 500),
    "exponential": rx.Exponential(1e-3, 100, 0.5),
    "warm-up": rx.Warmup(steps=50) * 1e-3,
    "warm-up x cosine": rx.Warmup(steps=50) * rx.Cosine(1e-3, 500),
    "linear, then cosine": rx.Join([rx.Linear(0.0, 1e-3, 50), rx.Cosine(1e-3, 450)], boundaries=[50]),
}

# A schedule and a plateau on the mean loss of an epoch (5 batches), behind clipped gradients.
everything = rx.Warmup(steps=50) * rx.Cosine(1e-3, 500) * rx.ReduceOnPlateau(patience=10, factor=0.5, accumulation_size=5)
combined = optax.chain(optax.clip_by_global_norm(1.0), rx.control(optax.adam, everything))

flowers = load_iris()
petals = (flowers.data[:, 2:] - flowers.data[:, 2:].mean(0)) / flowers.data[:, 2:].std(0)
inputs, species = jnp.asarray(petals, jnp.float32), jax.nn.one_hot(flowers.target, 3)


def train(tx: optax.GradientTransformation, epochs: int = 100, batch_size: int = 30):
    """Return the trained model, its optimizer, and what was recorded: the loss and the rate of every update."""
    model = Model(2, 64, 3, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, tx, wrt=nnx.Param)
    order, losses, rates = np.random.default_rng(0), [], []
    for _ in range(epochs):
        for batch in order.permutation(150).reshape(-1, batch_size):
            losses.append(train_step(model, optimizer, inputs[batch], species[batch]))
            if tx is not chained:  # there the rate is hidden in optax.adam
                rates.append(optimizer.learning_rate)
    return model, optimizer, np.array(losses), np.array(rates)


def accuracy(model: Model) -> float:
    return float((model(inputs).argmax(-1) == flowers.target).mean())


def main(out: str | None) -> None:
    curves = {name: rx.simulate(rate, steps=500) for name, rate in schedules.items()}
    print("update " + "".join(f"{name:>21}" for name in curves))
    for count in (0, 25, 50, 250, 499):
        print(f"{count:6} " + "".join(f"{curve[count]:21.3g}" for curve in curves.values()))

    recorded = {}
    for name, tx in {"in a chain": chained, "patience of 10 batches": controlled, "warm-up x cosine x 10 epochs": combined}.items():
        model, optimizer, losses, rates = train(tx)
        print(f"\n{name}: loss {losses[:5].mean():.3g} -> {losses[-5:].mean():.3g}, accuracy {accuracy(model):.1%}")
        if len(rates):
            recorded[f"{name}:\naccuracy {accuracy(model):.1%}"] = rates
            print("rate of every 50th update:", *(f"{rate:.2g}" for rate in rates[::50]))
            print(rx.describe(optimizer))
    if out:
        draw(curves, recorded).savefig(out, dpi=120)
        print(f"\nSee {out}")


def draw(curves: dict, recorded: dict) -> Figure:
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axis, title, lines in ((above, "simulated", curves), (below, "recorded while training", recorded)):
        for name, rates in lines.items():
            axis.plot(rates, label=name)
        axis.set(title=title, ylabel="learning rate")
        axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
        axis.grid(color="#e6e6e6", linewidth=0.6)
    below.set(xlabel="update", yscale="log", ylim=(1e-7, 2e-3))
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="where to save the picture, for example rate.png; without it none is made")
    main(parser.parse_args().out)
