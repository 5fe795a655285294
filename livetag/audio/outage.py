"""An outage of a microphone: why nothing is heard, and the tries to hear again.

Each try closes the capture, starts PortAudio again where that may help, finds the device and opens
it, in a thread of its own: any of that may hang, and nothing waits for it.
"""

import contextlib

from livetag.audio.capture import Capture, captured_again
from livetag.audio.portaudio import HANGS, Call, started
from livetag.audio.watch import Fault
from livetag.errors import InputError

SHORTEST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 9.5
_RETRY_SHARE = 0.05  # of an outage's length goes by before the next try
_HANGS_SECONDS = 5.0  # in closing or opening a device, until that is told


class Outage:
    """Nothing is heard since `began`, on the continuous clock.

    `tell_at`: when it is to be told of next. `tried_at`: when the last try began.
    """

    def __init__(self, fault: Fault, began: float, now: float) -> None:
        self.fault = fault
        self.began = began
        self.tell_at = now
        self.tried_at = now
        self._next_try = now
        self._try: Call[Capture] | None = None
        self._failed = False  # the last try
        self._answer = ""  # of the last one that failed

    @property
    def silent(self) -> bool:
        """Whether samples come, all of them zero."""
        return self.fault.reason == "zeros"

    @property
    def words(self) -> str:
        """What is the matter, and what is done about it."""
        answer = f": {self._answer}" if self._answer else ""
        return f"{self.fault.words}; trying again{answer}"

    def goes_on(self, fault: Fault, now: float) -> None:
        """What was opened again ails from something, too."""
        if fault.reason != self.fault.reason:
            self.fault, self._next_try = fault, now

    def is_due(self, now: float) -> bool:
        """Whether the next try is to begin."""
        return self._try is None and now >= self._next_try

    def begin_try(self, last: Capture, wanted: str | None, rate_hz: int, now: float) -> None:
        """Have the device of the last capture opened again, as `captured_again` does."""
        restart = not self.silent or self._failed  # a muted device has not moved
        self.tried_at = now
        self._try = started(lambda: captured_again(last, wanted, rate_hz, restart))

    def tried(self, now: float) -> Capture | None:
        """What a try that is through has opened; None where it failed, or is still under way."""
        attempt = self._try
        if attempt is None:
            return None
        if not attempt.done.is_set():
            if now - self.tried_at > _HANGS_SECONDS:
                self._answer = HANGS
            return None
        self._try = capture = None
        wait = _RETRY_SHARE * (now - self.began)
        try:
            capture = attempt.result()
            if self.silent:  # samples that are none may take their time to come
                wait = LONGEST_RETRY_SECONDS
        except Exception as error:  # whatever PortAudio comes up with: it is tried again
            self._answer = briefly(error)
        self._failed = capture is None
        wait = min(max(wait, SHORTEST_RETRY_SECONDS), LONGEST_RETRY_SECONDS)
        self._next_try = self.tried_at + wait
        return capture

    def last_try(self) -> Capture | None:
        """Wait for the try that is under way, which may hang; what it has opened."""
        if self._try is not None:
            self._try.done.wait()
            with contextlib.suppress(Exception):
                return self._try.result()
        return None


def briefly(error: Exception) -> str:
    """What is wrong, without advice: what listens, or waits, does all that can be done."""
    words = error.what if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return words.partition("\n")[0].rstrip(":.")
