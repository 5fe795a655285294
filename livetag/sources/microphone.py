"""The microphone: one capture after another, and what lies between them as gaps.

The worker, in `blocks`, takes audio out of the present capture's ring. Where no samples come, the
stream has ended, or it holds nothing but zeros, there is an outage: a thread of its own closes the
capture, starts PortAudio again, finds the device and opens it. Any of that may hang, and nothing
here waits for it. It is tried until it works, and the time that passes is a gap: told at once, then
every minute, and to the sample when audio comes again.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from livetag.audio.capture import Capture, captured_again
from livetag.audio.portaudio import (
    HANGS,
    Call,
    Device,
    HangsError,
    T,
    answered,
    find_device,
    input_devices,
    leave_behind,
    restart,
    started,
)
from livetag.audio.resample import Resampler
from livetag.audio.watch import CaptureWatch, Fault
from livetag.clocks import continuous
from livetag.errors import InputError, LivetagError
from livetag.events import Anchor, AudioBlock, FloatArray
from livetag.sources.base import BLOCK_SECONDS, STALL_SECONDS

ZEROS_SECONDS = 30.0
SHORTEST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 9.5
_RETRY_SHARE = 0.05  # of an outage's length goes by before the next try
_TELL_SECONDS = 60.0  # of an outage become a gap of their own: a crash takes no more of the record
_HANGS_SECONDS = 5.0  # in closing or opening a device, until that is told
_POLL_SECONDS = 0.25
_CLOSE_SECONDS = 1.0  # to wait for a stream to close: one whose server hangs never does
_CLOCK_SLACK_SECONDS = 0.5  # by which stream and wall clock may differ until they are set right
_LOUDEST = np.float32(100.0)  # of full scale; beyond, a driver is broken


@dataclass(slots=True)
class _Outage:
    """Nothing is heard since `began`: why, and what the last try to mend it said."""

    fault: Fault
    began: float
    next_try: float
    tell_at: float
    answer: str = ""


class Microphone:
    """A device that records, opened again for as long as it takes."""

    live = True

    def __init__(
        self,
        wanted: str | None,
        rate_hz: int | None = None,
        stall_seconds: float = STALL_SECONDS,
        zeros_seconds: float = ZEROS_SECONDS,
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
        self._say = say
        self._wait_until = continuous() + (require_seconds or 0.0)
        self._device = self._waited_for(lambda: find_device(wanted, input_devices()))
        self.name = self._device.name
        self.rate_hz = rate_hz or self._device.rate_hz
        self.failure: LivetagError | None = None
        self.trouble = ""
        self.polled_at = time.monotonic()
        self._capture: Capture | None = None
        self._last_capture: Capture | None = None
        self._resampler = Resampler(self.rate_hz, self.rate_hz)
        self._attempt: Call[Capture] | None = None
        self._attempt_at = 0.0
        self._outage: _Outage | None = None
        self._position = 0  # of the next sample in the stream
        self._heard_until = 0.0  # where that sample stands on the continuous clock
        self._lost = 0, ""  # samples and reason, that the next block has to tell
        self._told = 0  # samples of the next ones that were told of as lost already
        self._clock: Anchor | None = None
        self._watch = CaptureWatch(self.name, wanted is None, zeros_seconds)

    def _waited_for(self, call: Callable[[], T]) -> T:
        """What a call gives; tried again while the device may still come."""
        told = False
        while True:
            try:
                return answered(call)
            except HangsError:
                raise
            except InputError as error:
                if continuous() >= self._wait_until:
                    raise
                if not told:
                    self._say(f"{_first_line(error)}; waiting for it")
                    told = True
            time.sleep(SHORTEST_RETRY_SECONDS)
            answered(restart)

    def __enter__(self) -> Self:
        self._use(self._waited_for(self._opened))
        return self

    def _opened(self) -> Capture:
        device: Device = find_device(self._wanted, input_devices())
        capture = Capture(device, self.rate_hz, self._stall_seconds)
        capture.open()
        return capture

    def __exit__(self, *_: object) -> None:
        """Close the stream; one whose server hangs is left behind rather than waited for."""
        closing = started(self._close)
        if not closing.done.wait(_CLOSE_SECONDS):
            leave_behind()

    def _close(self) -> None:
        capture = self._last_capture
        if self._attempt is not None:
            self._attempt.done.wait()
            with contextlib.suppress(InputError):
                capture = self._attempt.result()
        if capture is not None:
            capture.close()

    def _use(self, capture: Capture) -> None:
        capture.wake_at = self._chunk(capture)
        self._capture = self._last_capture = capture
        self._resampler = Resampler(capture.rate_hz, self.rate_hz)
        if self._position == 0:
            self._heard_until = capture.called_at

    def _chunk(self, capture: Capture) -> int:
        return round(BLOCK_SECONDS * capture.rate_hz)

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        ending = False
        while not ending:
            self._wait(stop)
            self.polled_at = time.monotonic()
            now = continuous()
            ending = stop.is_set()
            capture = self._capture
            if capture is not None:
                fault = self._watch.fault_of(capture, now)
                yield from self._take(capture, everything=ending or fault is not None)
                if fault is not None:
                    yield from self._rest(capture, fault)
                    self._note(fault, now, capture)
            if self._outage is not None and not ending:
                self._try_again(self._outage, now)
                if now >= self._outage.tell_at:
                    yield self._piece(self._outage, now)
                ending = not self._found_in_time(self._outage, now)
        if self._outage is not None:
            yield self._piece(self._outage, continuous())

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
            if self._position:
                ahead = self._told - self._lost[0]
                self._heard_until = capture.captured_at + ahead / self.rate_hz
                self._lost, self._told = (0, ""), 0
            outage = _Outage(fault, self._heard_until, next_try=now, tell_at=now)
            self._outage = outage
        if fault.reason != outage.fault.reason:
            outage.fault, outage.next_try = fault, now
        if fault.reason != "zeros":  # where samples may still come out of it
            self._capture = None
        self._say_trouble(outage)

    def _try_again(self, outage: _Outage, now: float) -> None:
        """See what a try has brought; begin the next one when it is time, and none is needed."""
        attempt = self._attempt
        if attempt is None:
            idle = self._capture is None or outage.fault.reason == "zeros"
            if idle and now >= outage.next_try and self._last_capture is not None:
                last, self._capture = self._last_capture, None
                self._attempt_at = now
                self._attempt = started(lambda: captured_again(last, self._wanted, self.rate_hz))
            return
        if not attempt.done.is_set():
            if now - self._attempt_at > _HANGS_SECONDS:
                outage.answer = HANGS
                self._say_trouble(outage)
            return
        self._attempt = None
        wait = _RETRY_SHARE * (now - outage.began)
        try:
            self._use(attempt.result())
            if outage.fault.reason == "zeros":  # the next samples may take their time
                wait = LONGEST_RETRY_SECONDS
        except InputError as error:
            outage.answer = _first_line(error)
            self._say_trouble(outage)
        wait = min(max(wait, SHORTEST_RETRY_SECONDS), LONGEST_RETRY_SECONDS)
        outage.next_try = self._attempt_at + wait

    def _say_trouble(self, outage: _Outage) -> None:
        answer = f"; trying again: {outage.answer}" if outage.answer else "; trying again"
        self.trouble = f"{outage.fault.words}{answer}"

    def _found_in_time(self, outage: _Outage, now: float) -> bool:
        required = self._require_seconds
        if required is None or now - outage.began <= required:
            return True
        self.failure = InputError(
            f"nothing was heard for {now - outage.began:.0f} s, and the microphone is required: "
            f"{self.trouble.partition('; trying again')[0]}. `livetag devices` lists what there is."
        )
        return False

    def _piece(self, outage: _Outage, now: float) -> AudioBlock:
        """The outage from where it was told of until now."""
        lost = max(1, round((now - self._heard_until) * self.rate_hz))
        outage.tell_at = now + _TELL_SECONDS
        self._heard_until += lost / self.rate_hz
        self._position += lost
        self._clock = Anchor(self._position / self.rate_hz, time.time())
        nothing = np.empty(0, np.float32)
        return AudioBlock(
            nothing, self._position, lost, outage.fault.reason, wall_time=self._clock.unix_time
        )

    def _take(self, capture: Capture, everything: bool) -> Iterator[AudioBlock]:
        """Audio out of a capture, in blocks; all that there is, or as many as are whole."""
        ring, size = capture.ring, self._chunk(capture)
        while everything or ring.unread >= size:
            chunk = ring.read(size)
            if not len(chunk.samples) and not chunk.lost_before:
                break
            if chunk.lost_before:
                lost = round(chunk.lost_before * self.rate_hz / capture.rate_hz)
                self._lost = self._lost[0] + lost, chunk.reason
            samples = self._resampler.push(_clean(chunk.samples))
            if self._outage is not None and not self._ends(self._outage, capture, samples):
                continue
            known = min(self._told, len(samples))
            self._told -= known
            samples = samples[known:]
            if len(samples):
                yield self._block(samples, capture)

    def _rest(self, capture: Capture, fault: Fault) -> Iterator[AudioBlock]:
        """What the resampler still holds of a capture that is over."""
        if self._outage is None and fault.reason != "zeros":
            samples = self._resampler.push(np.empty(0, np.float32), last=True)
            if len(samples):
                yield self._block(samples, capture)

    def _ends(self, outage: _Outage, capture: Capture, samples: FloatArray) -> bool:
        """Whether these samples end the outage; then note what was lost in it."""
        if not len(samples) or (outage.fault.reason == "zeros" and not samples.any()):
            return False
        begins = continuous() - capture.age_of_unread - len(samples) / self.rate_hz
        if outage.fault.reason != "zeros" and capture.first_at is not None:
            begins = capture.first_at
        lost = round((begins - self._heard_until) * self.rate_hz)
        self._lost = max(1, lost), outage.fault.reason
        self._told = self._lost[0] - lost
        self._outage = None
        self.trouble = ""
        return True

    def _block(self, samples: FloatArray, capture: Capture) -> AudioBlock:
        lost, reason = self._lost
        self._lost = 0, ""
        self._position += lost
        begins_s = self._position / self.rate_hz
        age = capture.age_of_unread
        begins = time.time() - age - len(samples) / self.rate_hz
        clock = self._clock
        set_clock = (
            clock is None
            or lost > 0
            or abs(begins - clock.time_at(begins_s)) > _CLOCK_SLACK_SECONDS
        )
        if set_clock:
            self._clock = Anchor(begins_s, begins)
        block = AudioBlock(
            samples,
            self._position,
            lost,
            reason,
            wall_time=begins if set_clock else None,
            captured_at=time.monotonic() - age,
            behind_s=capture.ring.unread / capture.rate_hz,
        )
        self._position += len(samples)
        return block


def _clean(samples: FloatArray) -> FloatArray:
    """Samples without what is no number: it would stay in the resampler for ever."""
    if len(samples) and not np.abs(samples).max() <= _LOUDEST:
        return np.clip(np.nan_to_num(samples, nan=0.0), -_LOUDEST, _LOUDEST)
    return samples


def _first_line(error: InputError) -> str:
    return str(error).partition("\n")[0].rstrip(":.")
