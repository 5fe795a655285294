"""What a service manager is told: that livetag is up, is alive, what it is at, that it ends.

The protocol is sd_notify(3)'s: lines of `NAME=value` in one datagram to the socket that
`NOTIFY_SOCKET` names. Where that is not set, as in a terminal, nothing is sent. Telling never fails
and never waits: what the manager does not take is offered again by the next call.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping

STATUS_SECONDS = 5.0
"""A changed status is told no more often: counts in it may change with every window."""
_STATUS_CHARACTERS = 1_000
"""systemd ignores messages of more than 4,096 bytes as a whole; a character takes four at most."""


class Supervisor:
    """The service manager that livetag was started by, if it was."""

    def __init__(
        self,
        address: str | None,
        watchdog_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`address`: a path, or `@` and an abstract name; None: nobody is told anything.

        `watchdog_seconds`: the longest silence that the manager puts up with; None: any.
        `clock`: seconds, monotonic.
        """
        self._clock = clock
        self._socket: socket.socket | None = None
        self._address = ""
        self._watchdog_interval = None if watchdog_seconds is None else watchdog_seconds / 2
        self._next_watchdog = self._next_status = clock()
        self._status: str | None = None
        if address and address[0] in "/@" and hasattr(socket, "AF_UNIX"):
            self._address = "\0" + address[1:] if address[0] == "@" else address
            with contextlib.suppress(OSError):
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Supervisor":
        """The manager of `NOTIFY_SOCKET`; its watchdog is that of `WATCHDOG_USEC`.

        A watchdog that `WATCHDOG_PID` keeps for another process is not ours to feed.
        """
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = ours and microseconds.isdecimal() and int(microseconds) > 0
        return cls(environment.get("NOTIFY_SOCKET"), int(microseconds) / 1e6 if watched else None)

    def ready(self) -> None:
        """Say that livetag listens, for the first time or again after `reloading`."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Say that livetag is at work, and what it is at: one line for `systemctl status`.

        To be called often: it sends as often as the watchdog needs it, and where `status` changed.
        """
        now = self._clock()
        status = " ".join(status.split())[:_STATUS_CHARACTERS]
        hungry = self._watchdog_interval is not None and now >= self._next_watchdog
        news = status != self._status and now >= self._next_status
        lines = ["WATCHDOG=1"] * hungry + [f"STATUS={status}"] * news
        if not lines or not self._send(*lines):
            return
        if hungry:
            self._next_watchdog = now + (self._watchdog_interval or 0.0)
        if news:
            self._status = status
            self._next_status = now + STATUS_SECONDS

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` has to follow."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self) -> None:
        """Say that livetag is about to end."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> bool:
        """Whether the manager took it."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except (OSError, ValueError):  # nobody there, no room, an address that cannot be
            return False
        return True
