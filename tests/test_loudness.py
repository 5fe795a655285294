"""Loudness: the level of a window's loudest tenth of a second, whatever blocks it came in."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetag.audio.loudness import FloatArray, Loudness, dbfs

RATE_HZ = 16_000
WINDOW = 15_600
HOP = 7_680


def sine(seconds: float, peak: float = 1.0) -> FloatArray:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (peak * np.sin(2 * np.pi * 1_000 * time_s)).astype(np.float32)


def quiet(seconds: float) -> FloatArray:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def level_of(samples: FloatArray, first: int = 0, window: int = WINDOW) -> float:
    loudness = Loudness(RATE_HZ)
    loudness.push(samples)
    return loudness.window(first, window)


def test_levels_are_relative_to_a_full_scale_square_wave() -> None:
    assert dbfs(1.0) == 0.0
    assert dbfs(0.25) == pytest.approx(-6.02, abs=0.01)
    assert dbfs(0.0) == -math.inf


def test_an_even_sound_is_as_loud_as_it_is() -> None:
    assert level_of(np.full(WINDOW, -1.0, np.float32)) == 0.0
    assert level_of(sine(0.975)) == pytest.approx(-3.01, abs=0.01)
    assert level_of(sine(0.975, peak=0.1)) == pytest.approx(-23.01, abs=0.01)


def test_silence_and_nothing_at_all_have_no_level() -> None:
    assert level_of(quiet(1.0)) == -math.inf
    assert level_of(quiet(0.0)) == -math.inf


@pytest.mark.parametrize("begin_s", [0.0, 0.1, 0.5, 0.8])
def test_a_knock_in_a_quiet_second_is_as_loud_as_the_knock(begin_s: float) -> None:
    knock = sine(0.1, peak=0.5)
    second = np.concatenate((quiet(begin_s), knock, quiet(0.9 - begin_s)))
    assert level_of(second) == pytest.approx(level_of(sine(0.975, peak=0.5)), abs=0.01)


def test_a_knock_at_the_end_of_a_window_is_as_loud_as_one_within() -> None:
    """The last tenth is a whole one, though the window is no whole number of them."""
    whole = level_of(sine(0.975))
    assert level_of(np.concatenate((quiet(0.87), sine(0.105)))) == pytest.approx(whole, abs=0.01)
    half = level_of(np.concatenate((quiet(0.92), sine(0.055))))
    assert half == pytest.approx(whole - 3.01, abs=0.01)
    short = level_of(np.concatenate((quiet(0.96), sine(0.015))))
    assert short == pytest.approx(whole - 10.0, abs=0.01)


def test_a_knock_that_two_tenths_share_loses_three_decibels_at_most() -> None:
    whole = level_of(sine(0.975))
    for begin_s in np.arange(0.0, 0.875, 0.01):
        second = np.concatenate((quiet(begin_s), sine(0.1), quiet(0.9 - begin_s)))
        assert whole - 3.1 <= level_of(second) <= whole + 0.01


def test_what_lies_outside_the_window_does_not_count() -> None:
    loudness = Loudness(RATE_HZ)
    loudness.push(np.concatenate((sine(0.48), quiet(0.975), sine(1.0))))
    assert loudness.window(0, WINDOW) == pytest.approx(-3.01, abs=0.01)
    assert loudness.window(HOP, WINDOW) == -math.inf
    assert loudness.window(2 * HOP, WINDOW) == pytest.approx(-3.01, abs=0.01)


def test_a_window_that_is_not_full_yet_has_the_level_of_what_is_there() -> None:
    loudness = Loudness(RATE_HZ)
    loudness.push(sine(0.5))
    assert loudness.window(0, WINDOW) == pytest.approx(-3.01, abs=0.01)
    assert loudness.window(WINDOW, WINDOW) == -math.inf


def test_windows_may_be_far_apart() -> None:
    loudness = Loudness(RATE_HZ)
    for number in range(5):
        loudness.push(sine(1.0, peak=0.5**number))
        loudness.push(quiet(4.0))
        level = loudness.window(number * 5 * RATE_HZ, WINDOW)
        assert level == pytest.approx(-3.01 - 6.02 * number, abs=0.05)


@given(
    sizes=st.lists(st.sampled_from([0, 1, 17, 159, 160, 161, 1_283, 7_681]), max_size=30),
    seed=st.integers(0, 9),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_levels_are_to_the_bit_the_same_however_the_audio_is_split(
    sizes: list[int], seed: int
) -> None:
    noise = np.random.default_rng(seed).uniform(-1.0, 1.0, 40_000).astype(np.float32)
    noise *= np.linspace(0.0, 1.0, len(noise), dtype=np.float32)
    at_once = Loudness(RATE_HZ)
    at_once.push(noise)
    split = Loudness(RATE_HZ)
    for block in np.split(noise, np.minimum(np.cumsum(sizes, dtype=int), len(noise))):
        split.push(block)
    for first in range(0, len(noise), HOP):
        assert split.window(first, WINDOW) == at_once.window(first, WINDOW)


def test_a_window_asked_for_as_it_fills_is_the_one_asked_for_later() -> None:
    noise = np.random.default_rng(4).uniform(-1.0, 1.0, 5 * RATE_HZ).astype(np.float32)
    late, live = Loudness(RATE_HZ), Loudness(RATE_HZ)
    late.push(noise)
    pushed = 0
    for first in range(0, len(noise) - WINDOW, HOP):
        while pushed < first + WINDOW:
            live.push(noise[pushed : pushed + 1_283])
            pushed += 1_283
        assert live.window(first, WINDOW) == late.window(first, WINDOW)
