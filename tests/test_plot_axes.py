"""The marks of a picture's axes."""

import pytest

from livetag.plot.axes import band_centres_hz, clock, frequency_marks, time_marks
from livetag.yamnet.params import Params


@pytest.mark.parametrize(
    ("seconds", "marks"),
    [
        (1 / 16_000, ["0 ms", "0.02 ms", "0.04 ms", "0.06 ms"]),
        (0.04, ["0 ms", "10 ms", "20 ms", "30 ms", "40 ms"]),
        (0.375, ["0 s", "0.1 s", "0.2 s", "0.3 s"]),
        (20.0, ["0 s", "5 s", "10 s", "15 s", "20 s"]),
        (150.0, ["0:00", "1:00", "2:00"]),
        (3_600.0, ["0:00:00", "0:15:00", "0:30:00", "0:45:00", "1:00:00"]),
        (30 * 3_600.0, ["0:00:00", "12:00:00", "24:00:00"]),
        (9 * 86_400.0, ["0:00:00", "72:00:00", "144:00:00", "216:00:00"]),
    ],
)
def test_time_is_told_in_round_steps(seconds: float, marks: list[str]) -> None:
    told = time_marks(seconds, 4)
    assert [text for _, text in told] == marks
    assert all(clock(at_s, seconds) == text for at_s, text in told)


@pytest.mark.parametrize("seconds", [1e-5, 0.01, 0.99, 59.9, 60.0, 7e3, 1e7])
@pytest.mark.parametrize("most", [1, 5, 14])
def test_there_are_never_too_many_marks(seconds: float, most: int) -> None:
    marks = time_marks(seconds, most)
    assert 1 <= len(marks) <= most + 1
    assert marks[-1][0] <= seconds


def test_a_moment_is_told_as_exactly_as_it_is_asked_for() -> None:
    assert clock(1 / 16_000, 1 / 16_000) == "0.0625 ms"
    assert clock(2.345, 20.0) == "2.35 s"
    assert clock(65.25, 100.0) == "1:05"
    assert clock(65.25, 100.0, places=2) == "1:05.25"
    assert clock(59.999, 100.0, places=2) == "1:00.00"
    assert clock(3_725.5, 4_000.0, places=1) == "1:02:05.5"


def test_frequencies_stand_at_the_bands_that_hold_them() -> None:
    centres = band_centres_hz(Params())
    assert len(centres) == 64
    assert 125.0 < centres[0] < 170.0
    assert 7_000.0 < centres[-1] < 7_500.0
    for band, text in frequency_marks(Params()):
        hz = float(text.split()[0]) * (1_000 if text.endswith("kHz") else 1)
        below = int(band)
        assert centres[below] <= hz <= centres[below + 1]
