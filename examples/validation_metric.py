"""A rate that reacts to a validation metric, with groups and changes by hand: `python examples/validation_metric.py`.

The model tells 569 real breast tumours apart, malignant from benign, by thirty measurements of their cells.
"""

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import rheostax as rx

tumours = load_breast_cancer()
split = train_test_split(tumours.data, tumours.target, test_size=0.3, random_state=0, stratify=tumours.target)
scaler = StandardScaler().fit(split[0])
x_train, x_valid = (jnp.asarray(scaler.transform(x), jnp.float32) for x in split[:2])
y_train, y_valid = (jnp.asarray(y) for y in split[2:])


class Classifier(nnx.Module):
    """A body that finds features, and a head that decides."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.body = nnx.Sequential(nnx.Linear(30, 32, rngs=rngs), nnx.relu, nnx.Linear(32, 16, rngs=rngs), nnx.relu)
        self.head = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.body(x))


def loss_fn(model, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()


# The metric has a name, and is observed once per epoch: patience counts epochs, not updates.
plateau = rx.ReduceOnPlateau(monitor="val_loss", patience=2, factor=0.3, rtol=1e-2)
rate = (rx.Warmup(steps=12) * 2e-3 * plateau).clip(min_value=1e-5) * rx.Groups({"body/*": 1.0, "head/*": 0.5})

model = Classifier(rngs=nnx.Rngs(0))
optimizer = rx.Optimizer(model, rx.control(optax.adamw, rate, weight_decay=1e-3), wrt=nnx.Param)


@nnx.jit
def train_step(model, optimizer, x, y):
    loss, grads = nnx.value_and_grad(loss_fn)(model, x, y)
    optimizer.update(model, grads)
    return loss


@nnx.jit
def validate(model):
    return loss_fn(model, x_valid, y_valid), (model(x_valid).argmax(-1) == y_valid).mean()


def main() -> None:
    order = np.random.default_rng(0)
    for epoch in range(1, 25):
        for batch in order.permutation(len(x_train))[:384].reshape(12, 32):
            train_step(model, optimizer, x_train[batch], y_train[batch])
        val_loss, val_accuracy = validate(model)
        optimizer.observe(val_loss=val_loss)
        rates = ", ".join(f"{group} {float(rate):.2g}" for group, rate in optimizer.learning_rate.items())
        print(f"epoch {epoch:2}: val_loss {val_loss:.4f}, val_accuracy {val_accuracy:.3f}, rates: {rates}")
        if epoch == 12:
            optimizer.set_learning_rate(1e-4, group="head/*")  # schedule and plateau go on from here
    print(rx.describe(optimizer))


if __name__ == "__main__":
    main()
