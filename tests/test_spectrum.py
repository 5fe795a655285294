"""The latest half minute of a spectrogram, whatever pieces it comes in."""

import numpy as np
import pytest

from livetag.events import FloatArray, LogMel
from livetag.spectrum import RecentSpectrum, colour_range
from livetag.yamnet.params import Params

FRAMES_A_SECOND = 100


def frames(count: int) -> FloatArray:
    return np.random.default_rng(4).normal(size=(count, 64)).astype(np.float32)


def pushed(log_mel: FloatArray, size: int, seconds: float = 3.0) -> RecentSpectrum:
    recent = RecentSpectrum(seconds, Params())
    for at in range(0, len(log_mel), size):
        recent.push(LogMel(at / FRAMES_A_SECOND, log_mel[at : at + size]))
    return recent


@pytest.mark.parametrize("size", [1, 7, 10, 48, 96, 1_000])
def test_columns_are_the_means_of_the_latest_frames(size: int) -> None:
    log_mel = frames(1_000)
    expected = log_mel[-300:].reshape(30, 10, 64).mean(axis=1)
    assert pushed(log_mel, size).cells(30) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("width", [1, 7, 15, 30, 100])
def test_any_number_of_cells_covers_all_of_the_time(width: int) -> None:
    log_mel = np.repeat(np.arange(30, dtype=np.float32), 10)[:, np.newaxis] * np.ones(
        64, np.float32
    )
    cells = pushed(log_mel, 48).cells(width)
    assert cells.shape == (width, 64)
    assert cells[0, 0] == pytest.approx(29 / 2 if width == 1 else cells[0, 63])
    assert np.diff(cells[:, 0]).min(initial=0.0) >= 0.0  # in the order of time
    assert cells[:, 0].mean() == pytest.approx(14.5, abs=0.5)


def test_a_column_that_is_not_full_yet_is_the_mean_of_what_there_is() -> None:
    log_mel = frames(304)
    expected = log_mel[300:].mean(axis=0)
    assert pushed(log_mel, 48).cells(30)[-1] == pytest.approx(expected, abs=1e-5)


def test_before_the_beginning_nothing_was_heard() -> None:
    cells = pushed(frames(100), 48).cells(30)
    assert np.isneginf(cells[:20]).all()
    assert np.isfinite(cells[20:]).all()
    assert np.isneginf(RecentSpectrum(3.0, Params()).cells(30)).all()


@pytest.mark.parametrize("gap_s", [0.5, 2.0, 1e6])
def test_in_a_gap_nothing_was_heard(gap_s: float) -> None:
    recent = pushed(frames(300), 48)
    recent.push(LogMel(3.0 + gap_s, frames(50)))
    cells = recent.cells(30)
    heard = np.isfinite(cells).all(axis=1)
    missed = min(round(gap_s * 10), 25)
    assert heard.tolist() == [True] * (25 - missed) + [False] * missed + [True] * 5


def test_no_frames_change_nothing() -> None:
    recent = pushed(frames(300), 48)
    before = recent.cells(30)
    recent.push(LogMel(3.0, np.empty((0, 64), np.float32)))
    assert np.array_equal(recent.cells(30), before)


def test_colours_reach_from_the_quietest_to_the_loudest_that_was_heard() -> None:
    assert colour_range(np.array([[-np.inf, -4.0, 3.0]], np.float32)) == (-4.0, 3.0)
    assert colour_range(np.array([[-6.9, 4.0]], np.float32)) == (-5.0, 4.0)  # 78 dB
    low, high = colour_range(np.full((3, 64), -6.9, np.float32))
    assert high > low == pytest.approx(-6.9)
    low, high = colour_range(np.full((3, 64), -np.inf, np.float32))
    assert high > low
