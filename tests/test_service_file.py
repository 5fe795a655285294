"""The unit and the plist: what is put in comes out where their readers parse it."""

import os
import plistlib
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetag.errors import UsageError
from livetag.service_file import WATCHDOG_SECONDS, Job, plist, unit

NASTY = [
    "",
    ";",
    "a b",
    " lead and trail ",
    "it's",
    'say "hi"',
    "back\\slash\\",
    "100 %h",
    "$HOME",
    "${HOME}",
    "$$",
    "%%",
    "#",
    "tab\tand\nline",
    "bell\a",
    "é 𝄞",
    "no UTF-8: \udcff",
    "--csv=/tmp/%Y-%m-%d.csv",
]
"""Words that a shell, systemd's quoting, its specifiers or its variables would trip over."""

JOB = Job(("/usr/bin/python3", "-P", "-m", "livetag", "monitor", "--no-dashboard"), {}, None, True)
CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),  # bytes that are no UTF-8
    st.sampled_from("\"'\\%$ ;#\n\t{}"),
)
WRITABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


def settings(text: str) -> dict[str, list[str]]:
    """A unit's settings, as they stand."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def words(line: str) -> list[bytes]:
    """A setting's words as systemd.syntax(7) reads them, specifiers resolved.

    What that page does not promise to keep as it is, is an error here.
    """
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)|([^\s"\'\\;]+)(?: |$)', line)
    assert line == " ".join(plain or f'"{quoted}"' for quoted, plain in parts)
    known = {b"n": b"\n", b"t": b"\t", b"\\": b"\\", b'"': b'"'}

    def character(match: "re.Match[bytes]") -> bytes:
        return bytes.fromhex(match[1].decode()) if match[1] else known[match[2]]

    found = []
    for quoted, plain in parts:
        word = os.fsencode(quoted or plain)
        assert not re.search(rb"[\x00-\x1f\x7f]", word)
        assert b"%" not in word.replace(b"%%", b"")
        word = word.replace(b"%%", b"%")
        found.append(re.sub(rb"\\(?:x([0-9a-f]{2})|(.))", character, word))
    return found


def command_line(text: str) -> list[bytes]:
    """The words of `ExecStart=`, in whose arguments a dollar is written twice."""
    (line,) = settings(text)["ExecStart"]
    program, *arguments = words(line)
    assert all(b"$" not in word.replace(b"$$", b"") for word in arguments)
    return [program, *(word.replace(b"$$", b"$") for word in arguments)]


@given(st.lists(st.text(CHARACTERS)))
def test_a_unit_passes_every_argument_as_it_is(arguments: list[str]) -> None:
    text = unit(replace(JOB, command=("/usr/bin/python3", *arguments)))
    text.encode("utf-8")
    expected = [b"/usr/bin/python3", *map(os.fsencode, arguments)]
    assert command_line(text) == expected


@given(st.lists(WRITABLE))
def test_a_plist_passes_every_argument_as_it_is(arguments: list[str]) -> None:
    text = plist(replace(JOB, command=("/usr/bin/python3", *arguments)), Path("/logs"))
    assert plistlib.loads(text.encode())["ProgramArguments"] == ["/usr/bin/python3", *arguments]


@given(WRITABLE)
def test_variables_are_passed_as_they_are(value: str) -> None:
    job = replace(JOB, environment={"LIVETAG_CSV": value, "LIVETAG_TOP": "5"})
    lines = settings(unit(job))["Environment"]
    assert [words(line) for line in lines] == [
        [f"LIVETAG_CSV={value}".encode()],
        [b"LIVETAG_TOP=5"],
    ]
    agent = plistlib.loads(plist(job, Path("/logs")).encode())
    assert agent["EnvironmentVariables"] == {"LIVETAG_CSV": value, "LIVETAG_TOP": "5"}


def test_the_folder_is_set_where_it_matters() -> None:
    assert "WorkingDirectory" not in settings(unit(JOB))
    job = replace(JOB, folder=Path("/home/me/50 % \"off\" 'x'"))
    assert settings(unit(job))["WorkingDirectory"] == ["/home/me/50 %% \"off\" 'x'"]
    assert "WorkingDirectory" not in plistlib.loads(plist(JOB, Path("/logs")).encode())
    agent = plistlib.loads(plist(job, Path("/logs")).encode())
    assert agent["WorkingDirectory"] == "/home/me/50 % \"off\" 'x'"


def test_what_has_no_end_is_started_again_whenever_it_ends() -> None:
    assert settings(unit(JOB))["Restart"] == ["always"]
    assert plistlib.loads(plist(JOB, Path("/logs")).encode())["KeepAlive"] is True


def test_what_has_an_end_is_started_again_where_it_fails() -> None:
    job = replace(JOB, endless=False)
    assert settings(unit(job))["Restart"] == ["on-failure"]
    agent = plistlib.loads(plist(job, Path("/logs")).encode())
    assert agent["KeepAlive"] == {"SuccessfulExit": False}


def test_a_unit_is_watched_and_wrong_use_is_not_repeated() -> None:
    found = settings(unit(JOB))
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["WatchdogSec"] == [str(WATCHDOG_SECONDS)]
    assert found["ExecReload"] == ["kill -HUP $MAINPID"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["RestartPreventExitStatus"] == [str(UsageError.exit_code)]


def test_an_agent_starts_at_once_and_has_its_logs() -> None:
    agent = plistlib.loads(plist(JOB, Path("/Users/me/Library/Logs")).encode())
    assert agent["Label"] == "livetag"
    assert agent["RunAtLoad"] is True
    assert agent["StandardOutPath"] == "/Users/me/Library/Logs/livetag.out.log"
    assert agent["StandardErrorPath"] == "/Users/me/Library/Logs/livetag.err.log"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (replace(JOB, command=('/opt/"py"/python3',)), "no program of such a name"),
        (replace(JOB, command=("/opt/back\\slash/python3",)), "no program of such a name"),
        (replace(JOB, command=("/opt/${HOME}/python3",)), "no program of such a name"),
        (replace(JOB, command=("/opt/line\nfeed/python3",)), "no program of such a name"),
        (replace(JOB, environment={"LIVETAG_CSV": "a\x1b"}), "LIVETAG_CSV holds a character"),
        (replace(JOB, environment={"LIVETAG_CSV": "\udcff"}), "LIVETAG_CSV holds a character"),
        (replace(JOB, folder=Path("/home/me/ends with \\")), "in a folder of such a name"),
        (replace(JOB, folder=Path("/home/me/ends with ")), "in a folder of such a name"),
    ],
)
def test_what_no_unit_can_hold_is_refused(job: Job, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        unit(job)


@pytest.mark.parametrize("text", ["a\x1b", "\udcff"])
def test_what_no_plist_can_hold_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no launchd agent can"):
        plist(replace(JOB, command=("/usr/bin/python3", text)), Path("/logs"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not there")
@pytest.mark.parametrize("endless", [True, False])
def test_systemd_finds_nothing_wrong_with_a_unit(endless: bool, tmp_path: Path) -> None:
    job = Job((sys.executable, *NASTY), {"LIVETAG_CSV": 'a %h $b "c" \\d;.csv'}, tmp_path, endless)
    file = tmp_path / "livetag.service"
    file.write_text(unit(job), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
