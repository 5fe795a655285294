"""Draws docs/dashboard.svg: the dashboard as it stands some seconds into a real run of the demo.

python scripts/screenshot.py
"""

import argparse
import io
import threading
import time
from pathlib import Path

from rich.console import Console

from livetag.dashboard import render
from livetag.detector import Detector
from livetag.monitor import Monitor
from livetag.resources import cache_dir
from livetag.rules import resolve
from livetag.schema import Config
from livetag.sources.demo import DemoSource
from livetag.state import MonitorState
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

TARGET = Path(__file__).resolve().parent.parent / "docs" / "dashboard.svg"


def draw_demo(console: Console, seconds: float) -> None:
    """Run the monitor on the demo, and print its dashboard as it is after so many seconds."""
    config, params, source = Config(), Params(), DemoSource(fast=False)
    rules = resolve(config, class_map())
    model = obtain_model(None, cache_dir(), lambda *_: None, print)
    state = MonitorState(rules, params, source.name, source.rate_hz, time.monotonic())
    monitor = Monitor(
        source=source,
        classifier=LiteRTClassifier(model.content),
        detector=Detector(rules, params),
        params=params,
        state=state,
        sinks=[],
        console=Console(file=io.StringIO()),
    )
    thread = threading.Thread(target=monitor.run)
    thread.start()
    thread.join(seconds)
    console.print(render(state, config.top), height=console.height)
    monitor.stop()
    thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=28.0)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--height", type=int, default=28)
    options = parser.parse_args()
    console = Console(
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        width=options.width,
        height=options.height,
    )
    draw_demo(console, options.seconds)
    TARGET.parent.mkdir(exist_ok=True)
    console.save_svg(str(TARGET), title="livetag monitor --demo")
    print(TARGET)


if __name__ == "__main__":
    main()
