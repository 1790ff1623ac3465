"""Lines that are too long for a picture keep what one looks for in it."""

import numpy as np

from rheostax.plot.panels import thin
from rheostax.record.read import Series


def test_thinned_lines_keep_their_ends_and_their_spikes():
    count = np.arange(0, 200_000, 2)
    value = np.sin(count / 5_000)
    value[50_001], value[70_003], value[80_000:80_500] = 9.0, -9.0, np.nan
    short = thin(Series(count, value, count / 10), most=1_000)
    assert len(short) <= 1_000
    assert (short.count[0], short.count[-1]) == (0, 199_998)
    assert (np.nanmax(short.value), np.nanmin(short.value)) == (9.0, -9.0)
    assert np.isnan(short.value).any()
    assert (np.diff(short.count) > 0).all()
    np.testing.assert_array_equal(short.value, value[short.count // 2])
    np.testing.assert_array_equal(short.time, short.count / 10)
    assert thin(short, most=1_000) is short
