"""The dashboard's spectrogram: the last half minute, rolling, a few lines high. Pure, as it is."""

import numpy as np
from rich.segment import Segment

from livetag.halfblocks import Colours, drawn, spectrum_pixels
from livetag.lines import DIM, Line
from livetag.plot.axes import frequency_names
from livetag.spectrum import RecentSpectrum, colour_range
from livetag.yamnet.params import Params

_HEIGHTS = (8, 4, 2)  # lines that each show as many mel bands as the others
_SHARE = 5  # of the screen at the most: the classes need the rest
_LEAST_WIDTH_OF_NAMES = 40


def panel_height(screen_height: int) -> int:
    """Lines for the spectrogram on a screen of so many; 0 where it has no room."""
    return next((lines for lines in _HEIGHTS if screen_height >= _SHARE * lines), 0)


def panel(
    spectrum: RecentSpectrum,
    params: Params,
    width: int,
    height: int,
    colours: Colours,
    ascii_only: bool,
) -> list[Line]:
    """The spectrogram in lines of one width, beside its frequencies if that is wide enough."""
    names = frequency_names(params, height)
    beside = max(map(len, names)) + 2 if width >= _LEAST_WIDTH_OF_NAMES else 0
    cells = spectrum.cells(width - beside)
    low, high = colour_range(cells)
    pixels = spectrum_pixels(np.maximum((cells - low) / (high - low), 0.0), height)
    return [
        [Segment(name.rjust(beside - 1).ljust(beside)[:beside], DIM), *line]
        for name, line in zip(names, drawn(pixels, colours, ascii_only), strict=True)
    ]
