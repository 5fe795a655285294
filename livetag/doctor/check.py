"""`Check`: something that was looked at, how it is, and what to do. Runs what may hang."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from livetag.audio.portaudio import leave_behind
from livetag.errors import InputError, LivetagError, ModelError, UsageError
from livetag.stderr import native_stderr_silenced

Status = Literal["ok", "warn", "fail"]

_ENDING_SECONDS = 2.0  # to let a check that is interrupted come to its end
_ORDER = (UsageError, InputError, ModelError, LivetagError)
"""In which `livetag monitor` would come to them."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's.

    `found`: what there is, in words. `advice`: what to do, a line for each thing; empty where
    nothing is. `details`: the same and more for programs, as JSON can have it. `exit_code`: what
    `livetag monitor` would end with on account of a failure.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = LivetagError.exit_code


def judged(
    name: str,
    found: str,
    details: Mapping[str, Any],
    warnings: Sequence[str] = (),
    failures: Sequence[str] = (),
    exit_code: int = LivetagError.exit_code,
) -> Check:
    """A check that is as bad as the worst that was found; warnings and failures say what to do."""
    status: Status = "fail" if failures else "warn" if warnings else "ok"
    return Check(name, status, found, "\n".join((*failures, *warnings)), details, exit_code)


def exit_code(checks: Iterable[Check]) -> int:
    """What `livetag monitor` would end with: 0 where no check failed."""
    codes = {check.exit_code for check in checks if check.status == "fail"}
    return next((error.exit_code for error in _ORDER if error.exit_code in codes), 0)


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """What a check gives; a failure where it raises: the other checks are still wanted."""
    try:
        return check()
    except LivetagError as error:
        return Check(name, "fail", str(error), exit_code=error.exit_code)
    except Exception as error:
        found = f"a fault of livetag's own: {type(error).__name__}: {error}"
        return Check(name, "fail", found, "please report it, with this output")
    except KeyboardInterrupt:
        leave_behind()  # the end would wait for a sound server that hangs
        raise


def within(
    seconds: float,
    name: str,
    check: Callable[[], Check],
    hangs: str,
    exit_code: int = LivetagError.exit_code,
) -> Check:
    """What a check gives; a failure where it raises, or takes longer than it may.

    For the main thread, which only waits: Ctrl-C interrupts it whatever the check is stuck in.
    `hangs`: what to do where it takes too long.
    """
    done: list[Check] = []
    over = threading.Event()  # `Thread.join` takes a thread for ended once it was interrupted

    def run() -> None:
        done.append(guarded(name, check))
        over.set()

    with native_stderr_silenced():
        try:
            threading.Thread(target=run, name=f"check {name}", daemon=True).start()
            over.wait(seconds)
        except KeyboardInterrupt:
            over.wait(_ENDING_SECONDS)
            raise
        finally:
            if not over.is_set():
                leave_behind()
    if not done:
        return Check(name, "fail", f"no answer within {seconds:g} s", hangs, {}, exit_code)
    return done[0]
