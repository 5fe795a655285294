"""The microphone: one capture after another, and what lies between them as gaps.

The worker, in `blocks`, takes audio out of the present capture's ring. Where no samples come, the
stream has ended, or it holds nothing but zeros, there is an outage: a thread of its own closes the
capture, starts PortAudio again, finds the device and opens it. Any of that may hang, and nothing
here waits for it. It is tried until it works, and the time that passes is a gap: told at once, then
every minute, and to the sample when audio comes again. `audio.timeline` keeps the account.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

import numpy as np

from livetag.audio.capture import Capture
from livetag.audio.outage import SHORTEST_RETRY_SECONDS, Outage, briefly
from livetag.audio.portaudio import (
    Device,
    HangsError,
    answered,
    devices_elsewhere,
    find_device,
    input_devices,
    restart,
)
from livetag.audio.resample import Resampler
from livetag.audio.timeline import Timeline
from livetag.audio.watch import CaptureWatch, Fault
from livetag.clocks import continuous
from livetag.errors import InputError, LivetagError
from livetag.events import AudioBlock, FloatArray
from livetag.schema import Config
from livetag.sources.base import BLOCK_SECONDS

_USUAL = Config()
_TELL_SECONDS = 60.0  # of an outage become a gap of their own: a crash takes no more of the record
_POLL_SECONDS = 0.25
_CLOSE_SECONDS = 1.0  # to wait for a stream to close: one whose server hangs never does
_ENDING_SECONDS = 2.0  # for what waits to be analyzed when the listening is to end
_LOUDEST = np.float32(100.0)  # of full scale; beyond, a driver is broken


class Microphone:
    """A device that records, opened again for as long as it takes."""

    live = True

    def __init__(
        self,
        wanted: str | None,
        rate_hz: int | None = None,
        stall_seconds: float = _USUAL.stall_seconds,
        zeros_seconds: float = _USUAL.zeros_seconds,
        require_seconds: float | None = None,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Find the device. Raises `InputError` where it is not there within `require_seconds`.

        `wanted`: index or part of a name; `rate_hz`: instead of the device's own rate. The device
        is opened again after `stall_seconds` without samples, or `zeros_seconds` of exact zeros
        (0: never for them); its absence for `require_seconds` is a failure (None: never, once it
        was there). `say` is told that the device is waited for.
        """
        self._wanted = wanted
        self._stall_seconds = stall_seconds
        self._require_seconds = require_seconds
        self._wait_until = continuous() + (require_seconds or 0.0)
        device = self._found(say)
        self.rate_hz = rate_hz or device.rate_hz
        self.failure: LivetagError | None = None
        self.trouble = ""
        self.polled_at = time.monotonic()
        self._capture: Capture | None = None
        self._last_capture = Capture(device, self.rate_hz, stall_seconds)
        self._resampler = Resampler(self.rate_hz, self.rate_hz)
        self._outage: Outage | None = None
        self._timeline = Timeline(self.rate_hz)
        self._watch = CaptureWatch(wanted is None, zeros_seconds)

    def _found(self, say: Callable[[str], None]) -> Device:
        """The device; looked for again while it may still come."""
        look: Callable[[], list[Device]] = input_devices
        told = False
        while True:
            try:
                return find_device(self._wanted, answered(look))
            except HangsError:
                raise
            except InputError as error:
                if continuous() >= self._wait_until:
                    raise
                if not told:
                    say(f"{briefly(error)}; waiting for it")
                    told = True
            time.sleep(SHORTEST_RETRY_SECONDS)
            look = partial(_devices_anew, self._wanted)

    @property
    def name(self) -> str:
        """Of the device that is listened to, or was last."""
        return self._last_capture.device.name

    def __enter__(self) -> Self:
        """Open the device. One that is to be waited for may open later."""
        try:
            answered(self._last_capture.open)
        except HangsError:
            raise
        except InputError as error:
            now = continuous()
            if now >= self._wait_until:
                raise
            self._timeline.begin(now)
            fault = Fault("ended", briefly(error))
            self._outage = Outage(fault, now, now)
            self.trouble = self._outage.words
        else:
            self._use(self._last_capture)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the stream; one whose server hangs is left behind rather than waited for."""
        with contextlib.suppress(HangsError):
            answered(self._close, _CLOSE_SECONDS)

    def _close(self) -> None:
        opened = self._outage.last_try() if self._outage is not None else None
        (opened or self._last_capture).close()

    def _use(self, capture: Capture) -> None:
        capture.wake_at = self._chunk(capture)
        self._capture = self._last_capture = capture
        self._resampler = Resampler(capture.rate_hz, self.rate_hz)
        self._timeline.begin(capture.called_at)

    def _chunk(self, capture: Capture) -> int:
        return round(BLOCK_SECONDS * capture.rate_hz)

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        while not stop.is_set() and self.failure is None:
            self._wait(stop)
            self.polled_at = time.monotonic()
            if self._capture is not None:
                yield from self._listen(self._capture, stop)
            if self._outage is not None and not stop.is_set():
                yield from self._mend(self._outage)
        if self._capture is not None:
            yield from self._take_last(self._capture)
            yield from self._look_at(self._capture)
        if self._outage is not None:
            yield self._piece(self._outage, continuous())

    def _listen(self, capture: Capture, stop: threading.Event) -> Iterator[AudioBlock]:
        """The audio that a capture has; and see whether anything ails it."""
        for block in self._take(capture):
            yield block
            if stop.is_set():
                return
        yield from self._look_at(capture)

    def _look_at(self, capture: Capture) -> Iterator[AudioBlock]:
        fault = self._watch.fault_of(capture, continuous())
        if fault is not None:
            yield from self._take(capture, everything=True)
            yield from self._rest(capture, fault)
            outage = self._outage
            if outage is not None and fault.reason != outage.fault.reason:
                yield self._piece(outage, continuous())  # until now it was for the other reason
            self._note(fault, continuous(), capture)

    def _mend(self, outage: Outage) -> Iterator[AudioBlock]:
        """Try to hear again, and tell of what is not heard."""
        now = continuous()
        if (self._capture is None or outage.silent) and outage.is_due(now):
            self._capture = None
            outage.begin_try(self._last_capture, self._wanted, self.rate_hz, now)
        elif (opened := outage.tried(now)) is not None:
            self._use(opened)
        self.trouble = outage.words
        if now >= outage.tell_at:
            yield self._piece(outage, now)
        if self._require_seconds is not None and now - outage.began > self._require_seconds:
            self.failure = InputError(
                f"nothing was heard for {now - outage.began:.0f} s, and the microphone is "
                f"required: {outage.fault.words}. `livetag devices` lists what there is."
            )

    def _wait(self, stop: threading.Event) -> None:
        if self._capture is None:
            stop.wait(_POLL_SECONDS)
        else:
            self._capture.arrived.wait(_POLL_SECONDS)
            self._capture.arrived.clear()

    def _note(self, fault: Fault, now: float, capture: Capture) -> None:
        """An outage begins, or has another reason now."""
        outage = self._outage
        if outage is None:
            began = self._timeline.break_off(capture.read_until, fault.missing_seconds)
            outage = self._outage = Outage(fault, began, now)
        outage.goes_on(fault, now)
        if not outage.silent:  # where samples may still come out of it
            self._capture = None
        self.trouble = outage.words

    def _piece(self, outage: Outage, now: float) -> AudioBlock:
        """The outage from where it was told of until now."""
        outage.tell_at = now + _TELL_SECONDS
        return self._timeline.silence(now, outage.fault.reason)

    def _take(self, capture: Capture, everything: bool = False) -> Iterator[AudioBlock]:
        """Audio out of a capture, in blocks: what there is now, or as many blocks as are whole."""
        ring, size = capture.ring, self._chunk(capture)
        end = ring.written  # an analysis that is behind may never find it empty
        while ring.position < end and (everything or ring.unread >= size):
            chunk = ring.read(size)
            if chunk.lost_before:
                self._timeline.lose(self._at_stream_rate(chunk.lost_before, capture), chunk.reason)
            samples = self._resampler.push(_clean(chunk.samples))
            if self._outage is not None and not self._ends(self._outage, capture, samples):
                continue
            samples = self._timeline.untold(samples)
            if len(samples):
                yield self._block(samples, capture)

    def _take_last(self, capture: Capture) -> Iterator[AudioBlock]:
        """What there is at the end; of an analysis that is far behind, what it has time for."""
        end_by, end = time.monotonic() + _ENDING_SECONDS, capture.ring.written
        for block in self._take(capture, everything=True):
            yield block
            if time.monotonic() > end_by:
                left = self._at_stream_rate(capture.ring.leave(end), capture)
                yield self._timeline.leave_out(left, "lapped")
                return

    def _rest(self, capture: Capture, fault: Fault) -> Iterator[AudioBlock]:
        """What the resampler still holds of a capture that is over."""
        if self._outage is None and fault.reason != "zeros":
            samples = self._resampler.push(np.empty(0, np.float32), last=True)
            if len(samples):
                yield self._block(samples, capture)

    def _ends(self, outage: Outage, capture: Capture, samples: FloatArray) -> bool:
        """Whether these samples end the outage; then note what was lost in it."""
        if not len(samples) or (outage.silent and not samples.any()):
            return False
        begins = capture.read_until - len(samples) / self.rate_hz
        if not outage.silent and capture.first_at is not None:
            begins = capture.first_at
        self._timeline.resume(begins, outage.fault.reason)
        self._outage = None
        self.trouble = ""
        return True

    def _block(self, samples: FloatArray, capture: Capture) -> AudioBlock:
        behind_s = capture.ring.unread / capture.rate_hz
        return self._timeline.block(samples, capture.read_until, behind_s)

    def _at_stream_rate(self, samples: int, capture: Capture) -> int:
        """How many samples of the stream so many of a capture are."""
        return round(samples * self.rate_hz / capture.rate_hz)


def _clean(samples: FloatArray) -> FloatArray:
    """Samples without what is no number: it would stay in the resampler for ever."""
    if len(samples) and not np.abs(samples).max() <= _LOUDEST:
        return np.clip(np.nan_to_num(samples, nan=0.0), -_LOUDEST, _LOUDEST)
    return samples


def _devices_anew(wanted: str | None) -> list[Device]:
    """The devices that are there now. Raises `InputError` where the wanted one is not."""
    find_device(wanted, devices_elsewhere())
    restart()
    return input_devices()
