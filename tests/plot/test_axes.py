"""How axes look."""

import pytest
from matplotlib.figure import Figure

from rheostax.plot.axes import tidy


@pytest.mark.parametrize(
    ("low", "high", "texts"), [(0.15, 3.0, ["0.2", "0.5", "1", "2"]), (1e-3, 1.0, ["$\\mathdefault{10^{-2}}$", "$\\mathdefault{10^{-1}}$"])]
)
def test_a_short_logarithmic_axis_has_plain_numbers(low, high, texts):
    axis = Figure().subplots()
    axis.set(yscale="log", ylim=(low, high))
    tidy(axis)
    axis.figure.draw_without_rendering()
    shown = [label.get_text() for label in axis.get_yticklabels() if low < label.get_position()[1] < high]
    assert shown == texts
    assert not any(label.get_text() for label in axis.get_yticklabels(minor=True))
    assert axis.xaxis.get_scale() == "linear"
