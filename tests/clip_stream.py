"""A stream that clips are cut out of: noise, the windows over it, and events as a test has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livetag.events import AudioBlock, EventEnd, EventStart, Item, Scores
from livetag.yamnet.labels import Label

RATE_HZ = 4_000
WINDOW_S = 0.975
HOP_S = 0.48
BEGAN = 1_795_365_900.0
"""The UNIX time of the stream's first sample."""
SPEECH, DOG, MUSIC, SIREN = 0, 69, 132, 390

Pcm = npt.NDArray[np.int16]


def noise(seconds: float, rate_hz: int = RATE_HZ) -> Pcm:
    random = np.random.default_rng(20_261_122)
    return random.integers(-32_768, 32_768, round(seconds * rate_hz), np.int16)


@dataclass(frozen=True)
class Sound:
    """An event that a test has: its start comes with the `confirmed`-th window after its onset."""

    start_s: float
    end_s: float
    index: int = DOG
    name: str = "Dog"
    alert: bool = True
    alert_at_start: bool = True
    group: str = ""
    confirmed: int = 0
    hold_s: float = 1.0

    @property
    def start(self) -> EventStart:
        label = Label(self.index, "/m/0bt9lr", self.name)
        time = BEGAN + self.start_s
        alert = self.alert and self.alert_at_start
        return EventStart(
            label, time, self.start_s, 0.9, 0.5, -20.0, alert, self.group, withheld=""
        )

    def ended(self, latest_s: float) -> EventEnd:
        end_s = min(self.end_s, latest_s)
        return EventEnd(self.start, BEGAN + end_s, end_s, 0.9, 0.8, 5, -18.0, self.alert)


def window(start_s: float, spoken: float = 0.0) -> Scores:
    scores = np.zeros(521, np.float32)
    scores[SPEECH] = spoken
    none = np.empty(0, np.float32)
    return Scores(start_s, start_s + WINDOW_S, scores, none, -20.0, None)


def segment(
    pcm: Pcm,
    sounds: Sequence[Sound] = (),
    speech: dict[float, float] | None = None,
    first_sample: int = 0,
    lost_before: int = 0,
    block: int = 509,
    rate_hz: int = RATE_HZ,
    padded: bool = True,
) -> Iterator[Item]:
    """Audio in a row as the pipeline yields it: blocks, the windows they complete, and events.

    `speech`: the score of Speech in the windows at these hops. `padded`: whether windows that the
    audio does not fill are scored, as at the end of a stream.
    """
    samples = pcm.astype(np.float32) / np.float32(32_768.0)
    begin_s, ends = first_sample / rate_hz, first_sample + len(pcm)
    speech = speech or {}
    hop = 0
    started: list[Sound] = []
    waiting = list(sounds)

    def windows(heard_s: float) -> Iterator[Item]:
        nonlocal hop
        while (start_s := begin_s + hop * HOP_S) + WINDOW_S <= heard_s:
            yield window(start_s, speech.get(hop, 0.0))
            for sound in list(waiting):
                if sound.start_s + sound.confirmed * HOP_S <= start_s + 1e-9:
                    waiting.remove(sound)
                    started.append(sound)
                    yield sound.start
            for sound in list(started):
                if start_s - sound.end_s + HOP_S > sound.hold_s:
                    started.remove(sound)
                    yield sound.ended(ends / rate_hz)
            hop += 1

    for at in range(0, len(samples), block):
        piece = samples[at : at + block]
        lost = lost_before if at == 0 else 0
        yield AudioBlock(piece, first_sample + at, lost, "overflow" if lost else "")
        yield from windows((first_sample + at + len(piece)) / rate_hz)
    if padded:
        yield from windows(ends / rate_hz + WINDOW_S - 1e-6)
    for sound in started:
        yield sound.ended(ends / rate_hz)


def span(pcm: Pcm, start_s: float, end_s: float, rate_hz: int = RATE_HZ) -> Pcm:
    return pcm[round(start_s * rate_hz) : round(end_s * rate_hz)]
