"""A minute of sounds for `livetag` to hear: speech, alarms, bells, a siren, a clock and others.

All but the speech is synthesised here, with NumPy alone and from fixed seeds: the minute is the
same each time. The signals that a standard defines follow it; the rest (partials, room, level,
hiss) was tuned until the published YAMNet heard each sound for what it is. The scores are
sensitive: after a change here, measure them again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
_Signal = npt.NDArray[np.float64]
_Partials = tuple[tuple[float, float], ...]  # (multiple of the pitch, level) each

RATE_HZ = 16_000
SPEECH_ASSET = "demo_speech.flac"  # flite's voice "slt", 16 kHz mono, under 6 s


@dataclass(frozen=True)
class Sound:
    """One stretch of the minute."""

    name: str  # what it is, in plain words: "smoke alarm"
    expects: tuple[str, ...]  # YAMNet's display names; one should score high while it sounds
    samples: FloatArray  # 16 kHz mono in [-1, 1]


def demo_sounds(speech: FloatArray) -> Iterator[Sound]:
    """The stretches in order, each synthesised when its turn comes: 60 s, 960,000 samples.

    `speech` holds the samples of `SPEECH_ASSET`; its stretch is 6 s, whatever its length.
    """
    plan: list[tuple[str, tuple[str, ...], float, Callable[[float], FloatArray]]] = [
        ("speech", ("Speech",), 6.0, lambda seconds: _fitted(speech, seconds)),
        ("silence", ("Silence",), 2.0, silence),
        ("smoke alarm", ("Smoke detector, smoke alarm", "Fire alarm"), 8.0, smoke_alarm),
        ("doorbell", ("Doorbell", "Ding-dong"), 3.5, doorbell),
        ("birdsong", ("Bird", "Bird vocalization, bird call, bird song"), 4.0, birdsong),
        ("siren", ("Siren", "Police car (siren)"), 7.0, siren),
        ("telephone", ("Telephone bell ringing", "Telephone"), 3.5, telephone_bell),
        ("busy signal", ("Busy signal", "Telephone"), 3.5, busy_signal),
        ("ticking clock", ("Clock", "Tick-tock", "Tick"), 6.0, ticking_clock),
        ("fireworks", ("Fireworks", "Explosion"), 4.5, fireworks),
        ("crickets", ("Cricket", "Insect"), 4.5, crickets),
        ("pink noise", ("Pink noise", "Noise"), 4.5, pink_noise),
        ("silence", ("Silence",), 3.0, silence),
    ]
    for name, expects, seconds, synthesise in plan:
        yield Sound(name, expects, synthesise(seconds))


def silence(seconds: float) -> FloatArray:
    """A quiet room: hiss at -90 dBFS, which YAMNet calls silence."""
    return _recorded(np.zeros(_samples(seconds)), peak=0.0, hiss=3e-5)


def smoke_alarm(seconds: float) -> FloatArray:
    """A household smoke alarm's temporal-three signal (ISO 8201; NFPA 72 requires it).

    Three beeps, 0.5 s on and 0.5 s off, then 1.5 s of pause: 4 s in all. The standard leaves the
    pitch open; the piezo sounders in use resonate a little above 3 kHz.
    """
    time = _time(0.5)
    beep = _faded(_sine(3_200.0, time) + 0.3 * _sine(6_400.0, time), 0.005)
    starts = [cycle + nth for cycle in np.arange(0.0, seconds, 4.0) for nth in (0.0, 1.0, 2.0)]
    dry = _placed([(start, beep) for start in starts], seconds)
    return _recorded(dry, peak=0.4, echo_share=0.3, echo_seconds=0.5)


def doorbell(seconds: float) -> FloatArray:
    """Ding-dong: a two-bar chime, the second bar a major third below the first."""
    partials = ((1.0, 1.0), (3.0, 0.22), (5.404, 0.23))
    ding = _struck(780.0, partials, decay_seconds=0.8, seconds=3.0)
    dong = _struck(780.0 * 4 / 5, partials, decay_seconds=0.8, seconds=3.0)
    dry = _placed([(0.25, ding), (0.92, dong)], seconds)
    return _recorded(dry, peak=0.25, echo_share=0.2, echo_seconds=0.65, hiss=1e-3)


def birdsong(seconds: float) -> FloatArray:
    """A small songbird: trills of short rising notes, 3 to 5 kHz, as sparrows and finches sing."""
    note_seconds = 0.09
    progress = _time(note_seconds) / note_seconds
    pitch_hz = 3_000 + 2_000 * progress + 400 * np.sin(2 * np.pi * 3 * progress)
    note = _swept(pitch_hz) * np.sin(np.pi * progress) ** 2
    trills = np.arange(0.2, seconds - 0.8, 1.2)
    notes = [(trill + 0.18 * nth, note) for trill in trills for nth in range(4)]
    return _recorded(_placed(notes, seconds), peak=0.3, echo_share=0.3, echo_seconds=0.5, hiss=1e-3)


def siren(seconds: float) -> FloatArray:
    """The wail of an electronic police siren: 12 sweeps a minute, rich in harmonics.

    California's rules for them (13 CCR 1028) ask for 10 to 30 sweeps a minute.
    """
    time = _time(seconds - 0.5)
    pitch_hz = 790 + 590 * (0.5 - 0.5 * np.cos(2 * np.pi * 12 / 60 * time))
    harmonics = range(1, 6)  # the fifth stays below 8 kHz
    wail: _Signal = np.sum([_swept(nth * pitch_hz) / nth**1.55 for nth in harmonics], axis=0)
    dry = _placed([(0.0, _faded(wail, 0.1))], seconds)
    return _recorded(dry, peak=0.45, echo_share=0.2, echo_seconds=1.0, hiss=8e-4)


def telephone_bell(seconds: float) -> FloatArray:
    """A mechanical telephone: a clapper between two gongs, a major third apart.

    North American ringing current is 20 Hz: each half-wave is one stroke, 40 a second, for 2 s.
    """
    partials = ((1.0, 1.0), (2.67, 0.5), (3.3, 0.55))
    gongs = [_struck(hz, partials, decay_seconds=0.6, seconds=0.8) for hz in (1_200.0, 1_500.0)]
    strokes = [(0.2 + nth / 40, gongs[nth % 2]) for nth in range(80)]
    return _recorded(_placed(strokes, seconds), peak=0.3, echo_share=0.3, hiss=1e-3)


def busy_signal(seconds: float) -> FloatArray:
    """The North American busy tone (Precise Tone Plan): 480 + 620 Hz, 0.5 s on and 0.5 s off."""
    time = _time(0.5)
    tone = _faded(_sine(480.0, time) + _sine(620.0, time), 0.005)
    tones = [(start, tone) for start in np.arange(0.0, seconds - 0.4, 1.0)]
    return _recorded(_placed(tones, seconds), peak=0.3)


def ticking_clock(seconds: float) -> FloatArray:
    """A wall clock, tick and slightly lower tock: a pendulum of 25 cm beats twice a second.

    A beat is not one click but three, as the escapement unlocks, drives and drops.
    """
    rng = np.random.default_rng(5)
    time = _time(0.06)
    beats = []
    for nth in range(int(2 * seconds)):
        frequency_hz = 3_040.0 if nth % 2 else 2_850.0
        ring = _sine(frequency_hz, time) + 1.4 * _sine(2.5 * frequency_hz, time)
        click = (ring + 0.35 * rng.standard_normal(len(time))) * np.exp(-time / 0.014)
        start = 0.15 + nth / 2
        beats += [(start, click), (start + 0.010, 0.85 * click), (start + 0.020, 0.43 * click)]
    return _recorded(_placed(beats, seconds), peak=0.09, hiss=4e-4)


def fireworks(seconds: float) -> FloatArray:
    """A firecracker string: some sixty bangs a second, each 20 ms of noise that dies in 4 ms."""
    rng = np.random.default_rng(1)
    decay = np.exp(-_time(0.02) / 0.004)
    starts = rng.uniform(0.1, seconds - 0.5, int(60 * seconds))
    bangs = [(at, rng.uniform(0.1, 1.0) * decay * rng.standard_normal(len(decay))) for at in starts]
    return _recorded(_placed(bangs, seconds), peak=0.6, echo_share=0.1, echo_seconds=0.5)


def crickets(seconds: float) -> FloatArray:
    """A field cricket: chirps of four pulses of 4.2 kHz, one as the wings close each time."""
    pulse_seconds = 0.018
    time = _time(pulse_seconds)
    pulse = _sine(4_200.0, time) * np.sin(np.pi * time / pulse_seconds) ** 2
    chirps = np.arange(0.1, seconds - 0.5, 0.4)
    pulses = [(chirp + 0.030 * nth, pulse) for chirp in chirps for nth in range(4)]
    return _recorded(_placed(pulses, seconds), peak=0.2, hiss=1e-3)


def pink_noise(seconds: float) -> FloatArray:
    """Noise whose power falls as 1/f: as much in each octave."""
    count = _samples(seconds)
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[0] = 0.0
    spectrum[1:] /= np.sqrt(frequency_hz[1:])
    return _recorded(_faded(np.fft.irfft(spectrum, count), 0.1), peak=0.17)


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def _time(seconds: float) -> _Signal:
    """Seconds since the start, one for each sample."""
    return np.arange(_samples(seconds)) / RATE_HZ


def _sine(frequency_hz: float, time: _Signal) -> _Signal:
    return np.asarray(np.sin(2 * np.pi * frequency_hz * time))


def _swept(pitch_hz: _Signal) -> _Signal:
    """A sine of a changing pitch, one for each sample."""
    return np.asarray(np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ))


def _struck(pitch_hz: float, partials: _Partials, decay_seconds: float, seconds: float) -> _Signal:
    """A struck bar or gong; the higher a partial, the sooner it is gone."""
    time = _time(seconds)
    total = np.zeros_like(time)
    for ratio, level in partials:
        envelope = np.exp(-time * ratio**0.6 / decay_seconds)
        total += level * envelope * _sine(ratio * pitch_hz, time)
    return _faded(total, 0.001)


def _faded(signal: _Signal, fade_seconds: float) -> _Signal:
    """`signal` with a raised-cosine fade at either end, so that it does not click."""
    count = _samples(fade_seconds)
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / count)
    faded = signal.copy()
    faded[:count] *= fade
    faded[-count:] *= fade[::-1]
    return faded


def _placed(events: list[tuple[float, _Signal]], seconds: float) -> _Signal:
    """The sum of signals, each from its start in seconds on; what lies beyond the end is cut."""
    total = np.zeros(_samples(seconds))
    for start, signal in events:
        first = _samples(start)
        heard = signal[: max(0, len(total) - first)]
        total[first : first + len(heard)] += heard
    return total


def _recorded(
    dry: _Signal,
    peak: float,
    echo_share: float = 0.0,
    echo_seconds: float = 0.4,
    hiss: float = 2e-4,
) -> FloatArray:
    """`dry` as a microphone in a room has it: with echoes and hiss (RMS), and at a peak level.

    The room's impulse response is noise that falls by 60 dB in `echo_seconds`.
    """
    rng = np.random.default_rng(0)
    tail = _samples(echo_seconds)
    response = rng.standard_normal(tail) * 10.0 ** (-3 * np.arange(tail) / tail)
    response *= echo_share / np.sqrt(np.sum(response**2))
    response[0] += 1 - echo_share
    count = len(dry) + tail
    wet = np.fft.irfft(np.fft.rfft(dry, count) * np.fft.rfft(response, count), count)[: len(dry)]
    loudest = float(np.max(np.abs(wet)))
    scale = peak / loudest if loudest > 0 else 0.0
    ended = _faded(wet * scale, 0.005) + hiss * rng.standard_normal(len(dry))
    return ended.clip(-1.0, 1.0).astype(np.float32)


def _fitted(samples: FloatArray, seconds: float) -> FloatArray:
    """`samples`, cut or followed by zeros so that they last so long."""
    count = _samples(seconds)
    fitted = np.zeros(count, np.float32)
    fitted[: min(count, len(samples))] = samples[:count]
    return fitted
