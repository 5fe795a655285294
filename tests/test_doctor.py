"""`livetag doctor` as a whole: its checks, what is printed, and with which code it ends."""

import io
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_portaudio import FakePortAudio, install
from running import run, running
from virtual_microphone import VirtualMicrophone

from livetag.cli import main
from livetag.doctor import examination, model, sound
from livetag.doctor.check import Check, exit_code, guarded, judged, within
from livetag.doctor.report import print_json, print_text
from livetag.errors import InputError, LivetagError, ModelError, UsageError
from livetag.resources import cache_dir
from livetag.schema import Config
from livetag.yamnet.compile import CompiledModel

ALL = ["python", "packages", "configuration", "portaudio", "devices", "microphone"]
ALL += ["model", "speed", "disk", "terminal", "clock"]
FAILED = {
    error: Check("x", "fail", "", exit_code=error.exit_code)
    for error in (LivetagError, UsageError, InputError, ModelError)
}


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """`main` leaves signals as a program wants them at its end; what tests start inherits that."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# --- Checks -------------------------------------------------------------------------------------


def test_a_check_is_as_bad_as_the_worst_that_was_found() -> None:
    assert judged("x", "found", {}).status == "ok"
    assert judged("x", "found", {}, ["a"]).status == "warn"
    check = judged("x", "found", {}, ["a", "b"], ["c"], 3)
    assert (check.status, check.advice, check.exit_code) == ("fail", "c\na\nb", 3)


def test_the_exit_code_is_the_one_that_the_monitor_would_come_to_first() -> None:
    other, usage, source, no_model = FAILED.values()
    assert exit_code([]) == 0
    assert exit_code([Check("x", "warn", "", exit_code=3), Check("y", "ok", "")]) == 0
    assert exit_code([other, no_model, source, usage]) == 2
    assert exit_code([other, no_model, source]) == 3
    assert exit_code([other, no_model]) == 4
    assert exit_code([other]) == 1


def test_a_check_that_raises_is_a_failure() -> None:
    def no_input() -> Check:
        raise InputError("no microphone was found")

    def fault() -> Check:
        raise ZeroDivisionError("by zero")

    check = guarded("devices", no_input)
    assert (check.status, check.found, check.exit_code) == ("fail", "no microphone was found", 3)
    check = guarded("devices", fault)
    assert (check.status, check.exit_code) == ("fail", 1)
    assert "ZeroDivisionError: by zero" in check.found


def test_a_check_that_hangs_is_a_failure_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    left: list[None] = []
    monkeypatch.setattr("livetag.doctor.check.leave_behind", lambda: left.append(None))

    def hangs() -> Check:
        over.wait(60)
        return Check("x", "ok", "")

    check = within(0.05, "portaudio", hangs, "restart it", 3)
    over.set()
    assert (check.status, check.advice, check.exit_code) == ("fail", "restart it", 3)
    assert left == [None]  # nor at the end
    assert within(60, "x", hangs, "").status == "ok"
    assert left == [None]


# --- What is printed ----------------------------------------------------------------------------

CHECKS = [
    Check("python", "ok", "CPython 3.11"),
    Check("microphone", "warn", "'USB \x1b[31m', nothing but zeros", "unmute it\nor plug it in"),
    Check("devices", "fail", "several match:\n  0  a\n  1  b", details={"n": 2}, exit_code=3),
]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_text_has_a_word_for_each_and_what_to_do_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    out = io.StringIO()
    assert print_text(CHECKS, out) == 3
    assert out.getvalue().splitlines() == [
        "ok    python         CPython 3.11",
        "warn  microphone     'USB ?[31m', nothing but zeros",
        "                     -> unmute it",
        "                     -> or plug it in",
        "fail  devices        several match:",
        "                       0  a",
        "                       1  b",
        "",
        "`livetag monitor` would not work (exit code 3)",
    ]


def test_each_line_is_printed_as_its_check_is_through() -> None:
    out = io.StringIO()

    def checks() -> Iterator[Check]:
        for check in CHECKS:
            yield check
            assert check.name in out.getvalue()

    print_text(checks(), out)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        (CHECKS[:1], "`livetag monitor` works"),
        (CHECKS[:2], "`livetag monitor` works, with 1 warning"),
    ],
)
def test_the_verdict_counts_warnings(checks: list[Check], verdict: str) -> None:
    out = io.StringIO()
    assert print_text(checks, out) == 0
    assert out.getvalue().splitlines()[-1] == verdict


def test_a_terminal_gets_colours_and_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    long = Check("clock", "ok", "a sentence that is longer than what a narrow terminal can hold")
    coloured, plain = Terminal(), Terminal()
    print_text([*CHECKS, long], coloured)
    assert "\x1b[32mok" in coloured.getvalue()
    assert "\x1b[1;33mwarn" in coloured.getvalue()
    assert "\x1b[1;31mfail" in coloured.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    print_text([*CHECKS, long], plain)
    lines = plain.getvalue().splitlines()
    assert not any("\x1b[3" in line for line in lines)
    assert max(map(len, lines)) < 60
    assert "ok    clock          a sentence that is longer than what a" in plain.getvalue()


def test_json_is_one_object() -> None:
    out = io.StringIO()
    assert print_json(CHECKS, out) == 3
    assert out.getvalue().count("\n") == 1
    report = json.loads(out.getvalue())
    assert (report["type"], report["ok"]) == ("doctor", False)
    assert report["checks"][2] == {
        "name": "devices",
        "status": "fail",
        "found": "several match:\n  0  a\n  1  b",
        "advice": "",
        "details": {"n": 2},
    }


# --- The examination ----------------------------------------------------------------------------


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    """Devices that are made up, and of which what is heard is, too."""
    fake = install(monkeypatch)
    good = Check("microphone", "ok", "", details={"rate_hz": 44_100})
    monkeypatch.setattr(sound, "check_microphone", lambda *_: good)
    return fake


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Check]]:
    """The exit code, and each check by its name; the last one where several have it."""
    code = main(["doctor", "--json", *arguments])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return code, {check["name"]: Check(**check) for check in checks}


@pytest.mark.usefixtures("compiled", "portaudio")
def test_everything_is_checked_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = doctor(capsys)
    assert (code, list(checks)) == (0, ALL)
    bad = [name for name, check in checks.items() if check.status != "ok"]
    assert bad == ["clock"]  # the fake one says that it is 1970


@pytest.mark.usefixtures("portaudio")
def test_speed_is_measured_at_the_rate_of_the_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def speed(*arguments: object) -> Check:
        return Check("speed", "ok", f"at {arguments[-1]} Hz")

    monkeypatch.setattr(model, "check_speed", speed)
    assert doctor(capsys)[1]["speed"].found == "at 44100 Hz"
    assert doctor(capsys, "--demo")[1]["speed"].found == "at 16000 Hz"


@pytest.mark.usefixtures("compiled")
def test_what_plays_no_part_is_not_looked_at(
    portaudio: FakePortAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    portaudio.devices.clear()
    code, checks = doctor(capsys, "--demo")
    assert (code, "demo" in checks, "devices" in checks) == (0, True, False)


@pytest.mark.usefixtures("compiled")
def test_once_sound_fails_the_rest_of_it_is_not_tried(
    portaudio: FakePortAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = doctor(capsys, "--device", "studio")
    assert code == 3
    assert "no input device matches 'studio'" in checks["devices"].found
    assert checks["microphone"].found == "not tried, since devices failed"
    assert [checks[name].status for name in ("model", "speed")] == ["ok", "ok"]
    assert portaudio.streams == []


@pytest.mark.usefixtures("compiled", "portaudio")
def test_a_wrong_configuration_does_not_end_the_checks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, checks = doctor(capsys, "--alert", "Dgo", "--csv", str(tmp_path / "log.csv"))
    assert code == 2
    assert "did you mean 'Dog'" in checks["configuration"].found
    assert list(checks) == ALL
    file = tmp_path / "wrong.toml"
    file.write_text("treshold = 0.2\n")
    code, checks = doctor(capsys, "--config", str(file))
    assert (code, list(checks)) == (2, ALL)
    assert "treshold" in checks["configuration"].found
    code, checks = doctor(capsys, "--since", "2026-11-22")
    assert (code, "a microphone has its own time" in checks["configuration"].found) == (2, True)


@pytest.mark.usefixtures("compiled", "portaudio")
def test_ignored_variables_and_the_layers_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETAG_TRESHOLD", "0.2")
    monkeypatch.setenv("LIVETAG_TOP", "3")
    code, checks = doctor(capsys, "--config", "baby")
    check = checks["configuration"]
    assert (code, check.status) == (0, "warn")
    assert "LIVETAG_TRESHOLD is no setting" in check.advice
    assert "baby.toml" in check.found
    assert check.details["origins"]["top"] == "LIVETAG_TOP"


@pytest.mark.usefixtures("portaudio")
def test_without_a_model_it_is_the_model_that_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVETAG_CACHE_DIR", str(tmp_path / "cache"))
    code, checks = doctor(capsys, "--demo")
    assert (code, checks["model"].status, checks["speed"].status) == (4, "fail", "warn")
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("compiled", "portaudio")
def test_each_place_has_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log, missing = tmp_path / "log.csv", tmp_path / "missing" / "log.jsonl"
    code = main(["doctor", "--demo", "--csv", str(log), "--jsonl", str(missing)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "  disk  " in line]
    assert code == 1
    assert lines[0].startswith(f"ok    disk           csv {log}: can be written")
    assert lines[1].startswith("fail  disk           the log ")
    assert lines[2].startswith(f"ok    disk           cache {cache_dir()}")


def test_a_configuration_that_asks_for_json_gets_text(
    compiled: CompiledModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "json.toml"
    file.write_text("json = true\ndemo = true\n")
    assert main(["doctor", "--config", str(file)]) == 0
    assert capsys.readouterr().out.startswith("ok    python")


@pytest.mark.usefixtures("compiled")
def test_without_the_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    code, checks = doctor(capsys)
    assert (code, checks["portaudio"].status) == (3, "fail")
    assert "apt install libportaudio2" in checks["portaudio"].found
    assert doctor(capsys, "--demo")[0] == 0  # which needs none of it


def test_what_hangs_in_portaudio_is_told_and_the_others_are_checked(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(examination, "_SECONDS", 0.05)
    monkeypatch.setattr(sound, "version", lambda: str(over.wait(60)))
    checks = list(examination._sound(Config()))
    over.set()
    assert [check.status for check in checks] == ["fail"] * 3
    assert "the sound server does not answer" in checks[0].advice
    assert exit_code(checks) == 3


def test_the_source_is_the_one_asked_for_though_another_setting_cannot_be() -> None:
    done = run("doctor", "--demo", "--threshold", "2")
    assert done.returncode == 2
    assert b"fail  configuration" in done.stdout
    assert b"ok    demo" in done.stdout
    assert b"microphone" not in done.stdout


# --- A real microphone --------------------------------------------------------------------------


@pytest.mark.microphone
def test_a_microphone_works_is_missed_and_is_found_to_hang(microphone: VirtualMicrophone) -> None:
    done = run("doctor", "--json", env=microphone.environment)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    heard = next(check for check in report["checks"] if check["name"] == "microphone")
    assert heard["details"]["measured_hz"] == pytest.approx(44_100, rel=0.03)
    assert heard["details"]["zeros_share"] == 1.0  # nobody plays anything into it
    assert (heard["status"], report["ok"]) == ("warn", True)
    microphone.freeze()
    with running("doctor", env=microphone.environment) as command:
        command.wait_until(lambda c: len(c.lines) >= 3, "first lines")
        assert command.end(signal.SIGINT) == 130  # though PortAudio hangs
        assert command.stderr == b"livetag: stopped\n"
    microphone.thaw()
    microphone.vanish()
    done = run("doctor", env=microphone.environment)
    assert done.returncode == 3
    assert b"fail  devices        no microphone was found" in done.stdout
