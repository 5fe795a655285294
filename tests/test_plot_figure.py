"""The picture as an image: looked at pixel by pixel, and in the SVG's text."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import numpy.typing as npt
import pytest
from plotting import DOORBELL, bell, drawn, rules, seen

from livetag.plot.figure import image
from livetag.plot.overview import Overview, Row
from livetag.yamnet.labels import class_map

VERMILION = (213, 94, 0)


def pixels(there: Overview, rows: list[Row]) -> npt.NDArray[np.int_]:
    """int[height, width, 3] of the PNG."""
    from matplotlib.image import imread

    content = image(there, rows, "png")
    picture = np.asarray(imread(io.BytesIO(content), format="png"))
    return np.asarray(np.rint(picture[..., :3] * 255), int)


def test_an_alert_has_a_frame_where_it_sounds() -> None:
    picture = pixels(*drawn(bell(8.0, begin_s=3.0)))
    assert picture.shape[1] == 2_100
    _, x = np.nonzero((picture == VERMILION).all(axis=2))
    plain = pixels(*drawn(bell(8.0, begin_s=3.0), with_rules=False))
    assert not (plain == VERMILION).all(axis=2).any()
    loud = np.flatnonzero(_is_bright(plain[:, :1_900]).any(axis=0))  # left of what explains it
    assert (x.min(), x.max()) == pytest.approx((loud.min(), loud.max()), abs=110)  # half a second


def _is_bright(picture: npt.NDArray[np.int_]) -> npt.NDArray[np.bool_]:
    """Where "magma" is at its upper half, which blue and grey have nothing of."""
    red, blue = picture[..., 0], picture[..., 2]
    return (red > 180) & (red > blue + 60)


@pytest.mark.parametrize("with_rules", [True, False])
def test_nothing_is_cut_off_at_the_edges(with_rules: bool) -> None:
    there, rows = drawn(bell(2.0), with_rules)
    longest = max(class_map(), key=lambda label: len(label.name))
    rows = [*rows, Row(longest, 0.25 if with_rules else None)]
    picture = pixels(there, rows)
    edges = (picture[:4], picture[-4:], picture[:, :4], picture[:, -4:])
    assert all((edge == 255).all() for edge in edges)


def named_alike(svg: bytes) -> bytes:
    """Without the names of clip paths: they hang on the last bits of where the layout puts them."""
    return re.sub(rb"p[0-9a-f]{10}\b", b"path", svg)


def test_an_svg_is_whole_and_says_what_it_shows() -> None:
    there, rows = drawn(bell(8.0))
    content = image(there, rows, "svg")
    assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    for text in ("bell.wav   8 s, peak", "! Doorbell", "Speech", "0.50", "4 kHz", "2 s"):
        assert f"<!-- {text}".encode() in content
    assert named_alike(image(there, rows, "svg")) == named_alike(content)


@pytest.mark.parametrize("seconds", [0.0001, 0.3, 1.0])
def test_short_recordings_have_pictures_too(seconds: float) -> None:
    assert pixels(*drawn(bell(seconds, begin_s=0.0))).std() > 10


def test_a_class_of_many_has_a_row_of_its_own_height() -> None:
    few, many = (pixels(*drawn(bell(1.0), count=count)).shape[0] for count in (5, 25))
    assert many - few == pytest.approx(20 * 0.26 * 150, abs=2)


def test_of_many_classes_the_scale_is_beside_the_first_and_no_panel_is_far_away() -> None:
    picture = pixels(*drawn(bell(1.0), count=200))
    red, blue = picture[700:, 1_900:, 0], picture[700:, 1_900:, 2]  # right of scores, below others
    y, _ = np.nonzero(blue > red + 40)
    assert y.max() - y.min() < 11 * 0.26 * 150
    assert (picture[500:850, 1_000] == 255).all(axis=1).sum() < 100  # between spectrum and scores


@pytest.mark.parametrize("value", [0.5, 0.0])
def test_samples_that_are_all_the_same_are_seen(value: float) -> None:
    there, rows = drawn(np.full(10, value, np.float32))
    mirrored, _ = drawn(np.full(10, -value, np.float32))
    assert (image(there, rows, "png") != image(mirrored, rows, "png")) == (value != 0.0)


@pytest.mark.parametrize("name", ["a$b^2_{c}$.wav", "麦克风.wav", "%s {} \\n.wav"])
def test_any_name_can_be_a_title(name: str, recwarn: pytest.WarningsRecorder) -> None:
    there = seen(bell(1.0), name=name)
    rows = [Row(rules("Doorbell").labels[DOORBELL])]
    assert f"<!-- {name}".encode() in image(there, rows, "svg")
    assert not recwarn.list
