"""A real browser without a screen, spoken to through a pipe (DevTools protocol).

Chromium, or one of its kind, where the machine has one.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_SECONDS = 60.0
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--mute-audio", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,900"),
)


def found() -> str | None:
    """The browser's path; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page of a browser."""

    def __init__(self, to: int, back: int) -> None:
        self._to = os.fdopen(to, "wb", buffering=0)
        self._back = os.fdopen(back, "rb")
        self._number = 0
        self._session: dict[str, str] = {}
        self.problems: list[str] = []  # what the page's scripts have thrown or warned of
        self.requested: list[str] = []  # what the page has asked anybody for

    def open(self, path: Path) -> None:
        """Load a page, to its end."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What a command of the protocol answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "result" in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        content = bytearray()
        while (char := self._back.read(1)) != b"\0":
            assert char, "the browser has ended"
            content += char
        message: dict[str, Any] = json.loads(content)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(str(params["entry"]))
        elif event.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])

    def value(self, expression: str) -> Any:
        """What an expression gives in the page; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait, in the page, until an expression holds."""
        seconds = PATIENCE_SECONDS / 2
        held = self.value(
            f"new Promise((done) => {{ const late = performance.now() + {seconds} * 1000;"
            f"const look = () => ({expression}) ? done(true) :"
            "performance.now() > late ? done(false) : setTimeout(look, 20); look(); })"
        )
        assert held, f"never came true: {expression}"

    def click(self, x: float, y: float, times: int = 1) -> None:
        """Press and release the mouse's first button, as a hand does; twice is a double click."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for number in range(1, times + 1):
            place = {"x": x, "y": y, "button": "left", "clickCount": number}
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, **place)

    def move(self, x: float, y: float) -> None:
        """Hold the mouse over a place."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self) -> bytes:
        """What is to be seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


@contextlib.contextmanager
def browsing(program: str, profile: Path) -> Iterator[Browser]:
    """Start a browser whose user is new; it is killed where it hangs."""
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()

    def take_pipes() -> None:  # the protocol's are 3 and 4
        kept = os.dup(to_read), os.dup(back_write)
        os.dup2(kept[0], 3)
        os.dup2(kept[1], 4)

    process = subprocess.Popen(
        [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=take_pipes,  # noqa: PLW1509
    )
    os.close(to_read)
    os.close(back_write)
    watch = threading.Timer(5 * PATIENCE_SECONDS, process.kill)
    watch.start()
    try:
        yield Browser(to_write, back_read)
    finally:
        watch.cancel()
        process.kill()
        process.wait()
