"""Annotations of a stream that other programs open: Audacity, Raven Pro, DCASE's tools.

Each has one line for each event as it ends. Times are seconds from the start of the stream, lost
audio included, so that they fit a recording of it; gaps are not written.
"""

import re

from livetag.events import EventEnd
from livetag.log_format import LogFormat, row_of
from livetag.sinks.base import TextLogSink
from livetag.yamnet.params import Params

RAVEN_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin File",
    "Label",
    "Score",
)

_WHITE = re.compile(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_SEPARATORS = re.compile(r"[;:|#\"]")
_EXTENSION = re.compile(r"\.[A-Za-z]\w*$")


class AudacitySink(TextLogSink[EventEnd]):
    """A label track: start, end and label, as Audacity exports and imports them.

    https://manual.audacityteam.org/man/importing_and_exporting_labels.html
    """

    log_format = LogFormat(one_stream=True)

    def _line(self, end: EventEnd) -> str:
        start = end.start
        return f"{start.start_s:.6f}\t{end.end_s:.6f}\t{_one_field(start.label.name)}"


class RavenSink(TextLogSink[EventEnd]):
    """A selection table for Raven Pro.

    YAMNet gives no frequencies: each selection has the band that the network hears. Selections are
    numbered through the files of a run, so that no two of a stream are called the same.
    """

    log_format = LogFormat(header="\t".join(RAVEN_COLUMNS), one_stream=True)
    _band = Params()
    _selections = 0

    def _line(self, end: EventEnd) -> str:
        self._selections += 1
        fields = (
            f"{self._selections}",
            "Spectrogram 1",
            "1",
            f"{end.start.start_s:.6f}",
            f"{end.end_s:.6f}",
            f"{self._band.mel_min_hz:g}",
            f"{self._band.mel_max_hz:g}",
            _one_field(self._source),
            _one_field(end.start.label.name),
            f"{end.peak_score:.4f}",
        )
        return "\t".join(fields)


class DcaseSink(TextLogSink[EventEnd]):
    """An event list: file, onset, offset and label, as `sed_eval` and `dcase_util` read them.

    They guess what separates the columns, and take the comma of "Baby cry, infant cry" for it
    where many labels have one, unless such fields stand in quotes. And they take a name with a
    colon ("USB Audio: hw:1,0") for a list, unless it is a file's.
    """

    log_format = LogFormat(
        first_line=re.compile(r"[^\t]+\t[\d.]+\t[\d.]+\t"), is_whole=row_of(4, delimiter="\t")
    )

    def _line(self, end: EventEnd) -> str:
        start = end.start
        source = self._source
        file = source if _EXTENSION.search(source) else _SEPARATORS.sub("_", source)
        return f"{_quoted(file)}\t{start.start_s:.3f}\t{end.end_s:.3f}\t{_quoted(start.label.name)}"


def _one_field(text: str) -> str:
    """Text without tabs and line ends."""
    return _WHITE.sub(" ", text)


def _quoted(text: str) -> str:
    """A field, in quotes where it holds what could be taken for a separator or a quote."""
    field = _one_field(text)
    return '"' + field.replace('"', '""') + '"' if set(field) & set(",;'\"") else field
