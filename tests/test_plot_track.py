"""Columns over time: bounded in number, and the same however the stream comes."""

from collections.abc import Iterator

import numpy as np
import pytest

from livetag.events import FloatArray
from livetag.plot.track import MOST_COLUMNS, Columns, Track


def stream(rows: int, width: int = 3) -> FloatArray:
    return np.random.default_rng(3).normal(size=(rows, width)).astype(np.float32)


def split(rows: FloatArray, size: int) -> Iterator[FloatArray]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


def track_of(rows: FloatArray, combine: np.ufunc, size: int = 1_000) -> Track:
    columns = Columns(rows.shape[1], combine)
    for part in split(rows, size):
        columns.push(part)
    return columns.track(0.01, 0.01, len(rows) * 0.01)


def test_a_short_stream_stays_as_it_is() -> None:
    rows = stream(MOST_COLUMNS)
    track = track_of(rows, np.maximum)
    assert np.array_equal(track.values, rows)
    assert track.edges == pytest.approx(np.arange(MOST_COLUMNS + 1) * 0.01)


@pytest.mark.parametrize("rows", [MOST_COLUMNS + 1, 20_000, 5 * MOST_COLUMNS + 7])
@pytest.mark.parametrize("size", [1, 999, 100_000])
def test_a_long_stream_has_the_highest_or_the_mean_of_each_equal_part(rows: int, size: int) -> None:
    samples = stream(rows)
    highest, mean = (track_of(samples, combine, size) for combine in (np.maximum, np.add))
    part = round(highest.edges[1] / 0.01)
    assert len(highest.values) == -(-rows // part) <= MOST_COLUMNS < 2 * len(highest.values) + 1
    for number in (0, 1, len(highest.values) - 2, len(highest.values) - 1):
        there = samples[number * part : (number + 1) * part]
        assert highest.values[number] == pytest.approx(there.max(axis=0))
        assert mean.values[number] == pytest.approx(there.mean(axis=0), abs=1e-5)


def test_memory_does_not_grow_with_the_stream() -> None:
    columns = Columns(1, np.maximum)
    for _ in range(100):
        columns.push(stream(10_000, 1))
    assert columns.track(1.0, 1.0, 1e6).values.shape == (1_000_000 // 256 + 1, 1)
    assert columns.rows_a_column == 256


def test_windows_stand_at_their_middle_and_the_ends_are_filled() -> None:
    columns = Columns(1, np.maximum)
    columns.push(np.array([[1.0], [2.0], [3.0]], np.float32))
    track = columns.track(0.48, 0.96, 1.9)
    assert track.edges == pytest.approx([0.0, 0.72, 1.2, 1.9])


def test_a_window_longer_than_its_recording_fills_it() -> None:
    columns = Columns(1, np.maximum)
    columns.push(np.array([[1.0]], np.float32))
    assert columns.track(0.1, 0.975, 0.3).edges.tolist() == [0.0, 0.3]


@pytest.mark.parametrize("count", [1, 7, 100, 1_000, 3_000])
def test_cells_have_what_is_in_their_part_of_the_time(count: int) -> None:
    rows = stream(1_000, 2)
    highest, mean = track_of(rows, np.maximum), track_of(rows, np.add)
    assert highest.cells(count).shape == (count, 2)
    for at in (0, count // 2, count - 1):
        first = int(at * 1_000 / count + 1e-9)
        end = max(first + 1, int(np.ceil((at + 1) * 1_000 / count - 1e-9)))
        assert highest.cells(count)[at] == pytest.approx(rows[first:end].max(axis=0))
        assert mean.cells(count)[at] == pytest.approx(rows[first:end].mean(axis=0), abs=1e-5)


def test_no_peak_is_lost_on_the_way_to_few_cells() -> None:
    rows = np.zeros((50_000, 1), np.float32)
    rows[31_415] = 1.0
    cells = track_of(rows, np.maximum).cells(80)
    assert np.flatnonzero(cells).tolist() == [31_415 * 80 // 50_000]
