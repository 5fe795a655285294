"""The installed command from its start to its end: signals, terminals, reloads, two at once."""

import contextlib
import csv
import json
import os
import shlex
import shutil
import signal
import sqlite3
import time
from functools import partial
from pathlib import Path

import filelock
import pytest
from running import LIVETAG, Running, logged_in, running

from livetag.resources import cache_dir

pytestmark = [
    pytest.mark.usefixtures("compiled"),
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX's signals"),
]
LEAVES_SCREEN = b"\x1b[?1049l"


def drawn(command: Running) -> bool:
    return any("windows/s" in line for line in command.screen)


def rows(log: Path) -> list[dict[str, str]]:
    with log.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def records(command: Running, kind: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in command.lines]
    return [record for record in found if record["type"] == kind]


# --- SIGHUP -------------------------------------------------------------------------------------


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "live.toml"
    path.write_text(f'alert = ["Doorbell"]\ncsv = "{tmp_path}/events.csv"\n', encoding="utf-8")
    return path


def test_a_hang_up_reads_the_configuration_again_and_logs_go_on_under_their_names(
    configuration: Path, tmp_path: Path
) -> None:
    log, moved = tmp_path / "events.csv", tmp_path / "events.csv.1"
    with running("monitor", "--demo", "--json", "--config", str(configuration)) as command:
        command.wait_until(lambda c: "Speech" in "".join(c.lines), "event")
        log.rename(moved)
        configuration.write_text(
            f'alert = ["Speech"]\njson = false\ncsv = "{log}"\njsonl = "{tmp_path}/new.jsonl"\n',
            encoding="utf-8",
        )
        command.process.send_signal(signal.SIGHUP)
        command.wait_until(lambda c: b"was read again" in c.stderr, "message")
        assert b"alert, jsonl changed\n" in command.stderr
        # What goes on is to alert now; and the option --json beats the configuration as before.
        command.wait_until(lambda c: bool(records(c, "event_alert")), "alert of the new rules")
        command.wait_until(lambda c: bool(records(c, "event_end")), "end of the speech")
        configuration.write_text('alert = ["Dgo"]\n', encoding="utf-8")
        command.process.send_signal(signal.SIGHUP)
        command.wait_until(lambda c: b"the old one stays" in c.stderr, "refusal")
        assert b"did you mean 'Dog'" in command.stderr
        command.wait_until(lambda c: len(records(c, "event_end")) > 1, "another event")
        assert command.end(signal.SIGTERM) == 0
    assert not records(command, "gap")
    assert b"no audio lost" in command.stderr
    (start,) = (r for r in records(command, "event_start") if r["label"] == "Speech")
    (end,) = (r for r in records(command, "event_end") if r["label"] == "Speech")
    assert (start["alert"], end["alert"], start["start_s"]) == (False, True, end["start_s"])
    assert rows(moved) == []
    assert [row["label"] for row in rows(log)] == [
        r["label"] for r in records(command, "event_end")
    ]
    new = (tmp_path / "new.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(new[0])["type"] == "event_alert"


def test_a_pipe_that_nobody_reads_costs_a_new_configuration_nothing_but_itself(
    configuration: Path, tmp_path: Path
) -> None:
    """Sounds are heard on, and the monitor ends when it is to."""
    os.mkfifo(tmp_path / "pipe")
    with running("monitor", "--demo", "--json", "--config", str(configuration)) as command:
        command.wait_until(lambda c: bool(records(c, "event_start")), "event")
        configuration.write_text(f'csv = "{tmp_path}/pipe"\n', encoding="utf-8")
        command.process.send_signal(signal.SIGHUP)
        command.wait_until(lambda c: bool(records(c, "event_end")), "end of the speech")
        assert command.end(signal.SIGTERM) == 0
    assert b"configuration" not in command.stderr
    assert not records(command, "gap")


# --- The end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.2])
def test_many_ctrl_c_end_it_as_one_does(pause_s: float) -> None:
    with running("monitor", "--demo", terminal=True) as command:
        command.wait_until(drawn, "dashboard")
        for _ in range(6):
            with contextlib.suppress(ProcessLookupError):
                command.process.send_signal(signal.SIGINT)
            with contextlib.suppress(Exception):
                command.process.wait(pause_s)
        assert command.wait() == 0
    assert b"Traceback" not in command.stderr
    assert command.stderr.count(b"livetag: ") == 1  # what was heard, or that it was stopped
    assert b"\x1b[?25h" in command.stderr.rpartition(b"\x1b[?25l")[2]
    assert LEAVES_SCREEN in command.stderr


def test_a_second_ctrl_c_does_not_wait_for_a_recording_that_hangs(tmp_path: Path) -> None:
    """As one on a server that is gone: here, a pipe that nothing more comes through."""
    pipe = tmp_path / "recording"
    os.mkfifo(pipe)
    header = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0"
    with (
        running("monitor", "--input", str(pipe), "--json") as command,
        pipe.open("wb", buffering=0) as writing,
    ):
        writing.write(header + b"data\xff\xff\xff\x7f" + bytes(64_000))
        command.wait_until(lambda c: "Silence" in "".join(c.lines), "event")
        command.process.send_signal(signal.SIGINT)
        command.process.send_signal(signal.SIGTERM)
        assert command.wait() == 0
    assert b"Traceback" not in command.stderr


# --- The terminal -------------------------------------------------------------------------------


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_draws_anew() -> None:
    shell = f"set -m; {LIVETAG} monitor --demo; stty size >&2; read -r; fg >/dev/null"
    with logged_in("bash", "--norc", "-c", shell) as command:
        command.wait_until(drawn, "dashboard")
        before = command.stderr
        command.type("\x1a")
        command.wait_until(lambda c: any("24 80" in line for line in c.screen), "shell")
        left = command.stderr.removeprefix(before)
        assert LEAVES_SCREEN in left
        assert b"\x1b[?25h" in left
        command.resize(100, 30)
        before = command.stderr
        command.type("\n")
        command.wait_until(lambda c: "windows/s" in c.screen[29], "dashboard of the new size")
        assert b"\x1b[?1049h" in command.stderr.removeprefix(before)
        command.type("\x03")
        assert command.wait() == 0
    assert b"heard demo for" in command.stderr.rpartition(LEAVES_SCREEN)[2]


def test_in_the_background_nothing_is_drawn_and_nothing_stops_it(tmp_path: Path) -> None:
    log = tmp_path / "events.csv"
    monitor = f"{LIVETAG} monitor --demo --csv {shlex.quote(str(log))}"
    shell = f"set -m; stty tostop; {monitor} & read -r; kill -HUP %1; read -r; fg >/dev/null"
    with logged_in("bash", "--norc", "-c", shell) as command:
        command.wait_until(lambda c: log.exists() and bool(rows(log)), "event in the log")
        assert b"\x1b[?1049h" not in command.stderr
        command.type("\n")
        command.wait_until(lambda c: b"was read again" in c.stderr, "message of the background")
        assert b"\x1b[?1049h" not in command.stderr
        command.type("\n")
        command.wait_until(drawn, "dashboard in the foreground")
        command.type("\x03")
        assert command.wait() == 0


def test_any_size_of_the_terminal_is_drawn_on() -> None:
    with logged_in(LIVETAG, "monitor", "--demo") as command:
        command.wait_until(drawn, "dashboard")
        for columns, lines in ((1, 1), (5, 3), (300, 2), (2, 100), (500, 200), (80, 24)):
            at = len(command.stderr)
            command.resize(columns, lines)
            holds = partial(_has_frame_of, lines, at)
            command.wait_until(holds, f"frame of {lines} lines")
        command.wait_until(lambda c: "windows/s" in c.screen[23], "dashboard of the usual size")
        command.type("\x03")
        assert command.wait() == 0
    assert b"Traceback" not in command.stderr


def _has_frame_of(lines: int, at: int, command: Running) -> bool:
    """Whether a whole frame of so many lines was drawn, from that byte of the terminal on."""
    frames = command.stderr[at:].split(b"\x1b[H")[:-1]
    return any(frame.count(b"\r\n") + 1 == lines for frame in frames)


def test_a_terminal_that_goes_ends_the_monitor_cleanly(tmp_path: Path) -> None:
    log = tmp_path / "events.csv"
    with logged_in(LIVETAG, "monitor", "--demo", "--json", "--csv", str(log)) as command:
        command.wait_until(lambda c: bool(c.lines) and drawn(c), "event and dashboard")
        command.hang_up()
        assert command.wait() == 0
    assert [row["label"] for row in rows(log)] == ["Speech"]
    assert len(records(command, "event_end")) == 1


def test_where_hang_ups_are_ignored_it_outlives_its_terminal_and_does_not_spin() -> None:
    """As after `nohup`, which would take the dashboard's terminal away, though."""
    with logged_in("sh", "-c", f"trap '' HUP; exec {LIVETAG} monitor --demo --json") as command:
        command.wait_until(lambda c: bool(c.lines) and drawn(c), "event and dashboard")
        command.hang_up()
        used, since = _processor_seconds(command.process.pid), time.monotonic()
        command.wait_until(lambda c: "Fire alarm" in "".join(c.lines), "what came after")
        used = _processor_seconds(command.process.pid) - used
        assert used < 0.5 * (time.monotonic() - since)
        assert command.end(signal.SIGTERM) == 0


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- Two at once --------------------------------------------------------------------------------


def test_two_monitors_keep_one_history(tmp_path: Path) -> None:
    history = tmp_path / "history.sqlite"
    arguments = ("monitor", "--demo", "--duration", "9", "--json", "--history", str(history))
    with running(*arguments) as one, running(*arguments) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    heard = [sorted(str(r["label"]) for r in records(c, "event_end")) for c in (one, other)]
    assert heard[0] == heard[1] != []
    with contextlib.closing(sqlite3.connect(history)) as database:
        runs = database.execute("SELECT id, ended FROM runs").fetchall()
        kept = database.execute("SELECT run_id, label FROM events").fetchall()
    assert len(runs) == 2
    assert None not in {ended for _, ended in runs}
    for run, _ in runs:
        assert sorted(label for run_id, label in kept if run_id == run) == heard[0]


@pytest.fixture
def bare_cache(tmp_path: Path) -> Path:
    """A cache with the weights, and no compiled model."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    for name in ("yamnet.h5", "yamnet_savedmodel"):
        if (source := cache_dir() / name).is_dir():
            shutil.copytree(source, cache / name)
        elif source.exists():
            shutil.copy(source, cache / name)
    return cache


def test_of_two_monitors_that_need_the_model_one_waits_and_says_so(bare_cache: Path) -> None:
    env = {**os.environ, "LIVETAG_CACHE_DIR": str(bare_cache)}
    arguments = ("monitor", "--demo", "--fast", "--duration", "3")
    with running(*arguments, env=env) as one, running(*arguments, env=env) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    told = one.stderr + other.stderr
    assert told.count(b"Compiling the model") == 1
    assert b"Another livetag fetches or compiles the model: waiting for it." in told
    assert told.count(b"heard demo for 3.0 s") == 2
    assert list(bare_cache.glob("*.tflite"))


def test_ctrl_c_while_it_waits_for_another_ends_it(bare_cache: Path) -> None:
    env = {**os.environ, "LIVETAG_CACHE_DIR": str(bare_cache)}
    with filelock.FileLock(bare_cache / "lock"), running("monitor", "--demo", env=env) as command:
        command.wait_until(lambda c: b"Another livetag" in c.stderr, "message")
        assert command.end() == 0
    assert command.stderr.count(b"\n") == 2
    assert b"livetag: stopped\n" in command.stderr
