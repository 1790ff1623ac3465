"""A curve in characters, read back."""

import numpy as np
import pytest

from rheostax.plot import draw_curve


def dots(text, braille):
    """Return where the dots of a drawing are, as rows and columns, and its labels."""
    *rows, _ = text.split("\n")
    curves = [row.partition("┤" if braille else "|")[2] for row in rows]
    width = max(map(len, curves))
    if not braille:
        return np.array([[character == "*" for character in row.ljust(width)] for row in curves])
    order = [[0, 3], [1, 4], [2, 5], [6, 7]]  # the bits of a braille character
    codes = np.array([[max(ord(character) - 0x2800, 0) for character in row.ljust(width)] for row in curves])
    return np.concatenate([np.stack([codes >> bit & 1 for bit in line], -1).reshape(len(rows), -1) for line in order], 1).reshape(
        len(rows) * 4, -1
    )


@pytest.mark.parametrize("braille", [True, False])
def test_the_dots_are_where_the_curve_is(braille):
    counts = np.arange(1_001)
    rates = 0.3 * (1 - counts / 1_000) ** 2
    seen = dots(draw_curve(counts, rates, width=60, height=10, braille=braille), braille)
    high, wide = seen.shape
    for column in range(wide):
        at = np.flatnonzero(seen[:, column])
        want = (1 - rates[round(column / (wide - 1) * 1_000)] / 0.3) * (high - 1)
        assert at.min() - 1.5 <= want <= at.max() + 1.5  # of a cell
    assert seen.any(0).all(), "there is no gap"


def test_a_jump_is_a_line_from_top_to_bottom():
    seen = dots(draw_curve([0, 499, 500, 1_000], [1.0, 1.0, 0.0, 0.0], width=40, height=6), True)
    assert sum(seen.all(0)) == 1


def test_labels_and_groups():
    text = draw_curve([0, 50, 100], np.array([[0.5, 0.1], [0.5, 0.1], [0.5, 0.1]]), width=40, height=6)
    lines = text.split("\n")
    assert [line.split()[0] for line in (lines[0], lines[3], lines[5])] == ["0.5", "0.25", "0"]
    assert lines[-1].split() == ["0", "50", "100"]
    assert max(map(len, lines)) <= 40
    assert len(lines) == 7
    assert (dots(text, True).sum(1) == dots(text, True).shape[1]).sum() == 2  # two level lines


@pytest.mark.parametrize("counts", [[0], [0, 1]])
def test_a_curve_of_nothing_can_be_drawn(counts):
    assert draw_curve(counts, np.zeros(len(counts)), width=30, height=4)
