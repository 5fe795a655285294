"""What docs/monitor.md has people type to be told of alerts does tell them.

The recipes run as they stand, on the demo; what is not livetag's, and needs a desktop or a journal,
has a stand-in.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import LIVETAG

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the recipes are for a shell"),
    pytest.mark.usefixtures("compiled"),
]

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "monitor.md").read_text("utf-8")
BELL, JSON, JOURNAL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(TELL,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
TAKES_NOTES = '#!/bin/sh\nprintf "%s|" "$@" >> notes\necho >> notes\n'
ALERTS = [
    "Smoke detector, smoke alarm",
    "Fire alarm",
    "Telephone",
    "Doorbell",
    "Siren",
    "Telephone",
]
"""Of the demo, in their order."""


def typed(recipe: str, folder: Path, **programs: str) -> str:
    """What a recipe prints, on the demo; `programs`: scripts that stand in for others."""
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(script, "utf-8")
        path.chmod(0o755)
    found = os.pathsep.join([str(folder), str(Path(LIVETAG).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": found, "LIVETAG_DEMO": "true", "LIVETAG_FAST": "true"}
    done = subprocess.run(
        ["sh", "-c", recipe],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "not found" not in done.stderr
    return done.stdout


def notes(folder: Path) -> list[str]:
    return (folder / "notes").read_text("utf-8").splitlines()


def test_a_shell_rings_and_notifies_at_each_alert(tmp_path: Path) -> None:
    assert typed(BELL, tmp_path, notify_send=TAKES_NOTES) == "\a" * len(ALERTS)
    told = [re.sub(r"  0\.\d\d\|$", "", note) for note in notes(tmp_path)]
    assert told == [f"livetag|{alert}" for alert in ALERTS]


def test_a_script_is_given_each_alert_and_what_is_not_heard(tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(TELL, "utf-8")
    told = typed(JSON, tmp_path).splitlines()
    assert [line.partition(" at ")[0] for line in told] == ALERTS
    lines = (
        '{"type":"event_start","alert":false,"time":"t","label":"Dog"}',
        '{"type":"event_alert","alert":true,"time":"t","label":"Dog","alert_label":"Bark",'
        '"alert_time":"u"}',
        '{"type":"event_end","alert":true,"time":"t","label":"Dog"}',
        '{"type":"gap","reason":"stalled","ongoing":true}',
        '{"type":"gap","reason":"stalled"}',
    )
    command = [sys.executable, "tell.py"]
    done = subprocess.run(
        command, cwd=tmp_path, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["Bark at u", "nothing is heard: stalled"]


def test_a_journal_s_alerts_and_messages_are_told_and_nothing_else(tmp_path: Path) -> None:
    printed = (
        "Started livetag.service - livetag.",
        "2026-11-22T16:45:12.480+00:00  Dog  0.97",
        "livetag: 16:45:20 NOTHING IS HEARD: USB Mic is gone",
    )
    journalctl = "#!/bin/sh\ncat << end\n{}\nend\n".format("\n".join(printed))
    assert typed(JOURNAL, tmp_path, notify_send=TAKES_NOTES, journalctl=journalctl) == ""
    assert notes(tmp_path) == [
        "livetag|Dog  0.97|",
        "-u|critical|livetag|16:45:20 NOTHING IS HEARD: USB Mic is gone|",
    ]
