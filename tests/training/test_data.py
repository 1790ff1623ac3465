"""Batches and their stacking."""

import numpy as np
import pytest

from rheostax.errors import TaskError
from rheostax.training import Arrays
from rheostax.training.steps import chunks


def arrays(examples=10, batch_size=3):
    return Arrays({"x": np.arange(examples)}, {"x": np.arange(600)}, batch_size)


def drawn(data, epoch, seed):
    return [batch["x"].tolist() for batch in data.train(epoch, seed)]


def test_an_epoch_draws_each_example_at_most_once_in_full_batches():
    batches = drawn(arrays(), epoch=0, seed=0)
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert arrays().batches_per_epoch == 3
    assert len({example for batch in batches for example in batch}) == 9


def test_order_depends_on_seed_and_epoch_alone():
    assert drawn(arrays(), 4, 7) == drawn(arrays(), 4, 7)
    assert drawn(arrays(), 4, 7) != drawn(arrays(), 5, 7)
    assert drawn(arrays(), 4, 7) != drawn(arrays(), 4, 8)


def test_validation_covers_every_example_in_order():
    batches = [batch["x"] for batch in arrays().validation()]
    assert np.concatenate(batches).tolist() == list(range(600))
    assert [len(batch) for batch in batches] == [256, 256, 88]


@pytest.mark.parametrize("batch_size", [0, 11])
def test_batch_size_must_fit(batch_size):
    with pytest.raises(TaskError, match=rf"batch_size must be between 1 and .* 10, got {batch_size}"):
        arrays(batch_size=batch_size)


@pytest.mark.parametrize(("count", "most", "sizes"), [(5, 100, [5]), (250, 100, [83, 83, 84]), (6, 2, [2, 2, 2]), (3, 1, [1, 1, 1])])
def test_chunks_are_few_and_nearly_equal(count, most, sizes):
    made = [chunk["x"] for chunk in chunks(({"x": np.full(2, i)} for i in range(count)), count, most)]
    assert [len(chunk) for chunk in made] == sizes
    assert np.concatenate(made)[:, 0].tolist() == list(range(count))
