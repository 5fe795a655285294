"""What the documentation shows is what the program does.

Every `console` block of the README is run, command by command, and its output compared: all but the
wall-clock times, which are compared as differences from the first one of their command.
"""

import re
import shlex
import subprocess
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path

import pytest
from running import LIVETAG

from livetag.cli import main
from livetag.options import build_parser
from livetag.resources import PRESETS_DIR

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = {
    *("--microphone", "--model", "--sink"),  # of the benchmarks
    *("--hop", "--hours", "--nice", "--runs", "--seed"),  # of the scripts in reliability/
    *("--user", "--nthreads", "--nworkers"),  # of systemctl and dask
}
"""Options of other programs than livetag."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")
LONG_SCORE = re.compile(r"\b0\.\d{3,4}\b")


def shown_commands() -> list[tuple[str, str]]:
    """Each command of the README's console blocks, with the output shown below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE)]
    return [(command, shown) for command, _, shown in (s.partition("\n") for s in steps if s)]


def comparable(text: str) -> str:
    """Times as seconds since the earliest one; scores to two places, as processors agree on."""
    times = [datetime.fromisoformat(found) for found in TIME.findall(text)]
    first = min(times, default=None)

    def relative(match: re.Match[str]) -> str:
        assert first is not None
        return f"+{(datetime.fromisoformat(match[0]) - first).total_seconds():.2f}"

    return LONG_SCORE.sub(lambda match: f"{float(match[0]):.2f}", TIME.sub(relative, text))


@pytest.mark.usefixtures("compiled")
def test_the_console_blocks_show_what_the_commands_print(tmp_path: Path) -> None:
    assert len(shown_commands()) >= 6
    for command, shown in shown_commands():
        arguments = shlex.split(command.replace("/tmp/", f"{tmp_path}/"))
        if arguments[0] == "livetag":
            arguments[0] = LIVETAG
        done = subprocess.run(
            arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        printed = done.stdout
        if done.returncode == 0:
            assert "Traceback" not in done.stderr
        else:
            printed += done.stderr
        assert comparable(printed) == comparable(shown), command


@pytest.mark.usefixtures("compiled")
def test_the_explanations_shown_are_all_that_the_demo_has() -> None:
    (shown,) = re.findall(r"^```text\n(\S+  [^`]*no alert: [^`]*)^```", README, re.MULTILINE)
    command = [LIVETAG, "monitor", "--demo", "--fast", "--explain"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    *explained, summary = done.stderr.splitlines(keepends=True)
    assert comparable("".join(explained)) == comparable(shown)
    assert summary.startswith("livetag: heard demo for 60.0 s")


def test_every_command_and_option_shown_exists() -> None:
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        shown = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", page))
        parsers = [build_parser(), *subparsers(build_parser())]
        known = {text for parser in parsers for text in parser._option_string_actions}
        assert shown - known <= OTHERS, path.name


def subparsers(parser: ArgumentParser) -> list[ArgumentParser]:
    """Every parser below this one."""
    found = []
    for action in parser._actions:
        choices = action.choices if isinstance(action.choices, dict) else {}
        for below in choices.values():
            found += [below, *subparsers(below)]
    return found


def test_links_lead_somewhere() -> None:
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                assert (page.parent / target).exists(), (page.name, target)


def test_the_second_command_is_what_continuous_integration_runs() -> None:
    commands = re.findall(r"^```sh\n(.*?)\n```", README, re.DOTALL | re.MULTILINE)
    assert commands[0] == "pip install . && livetag monitor --demo"
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert commands[1].split(" && ")[1] in script
    assert "'.[test]'" in script


def test_the_presets_named_exist() -> None:
    for preset in re.findall(r"--config (baby|home|\w+)`", README):
        assert (PRESETS_DIR / f"{preset}.toml").is_file()


def test_the_scripts_named_exist() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for script in re.findall(r"python ((?:benchmarks|reliability)/\w+\.py)", text):
            assert (ROOT / script).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_configurations_shown_can_be(page: Path, tmp_path: Path) -> None:
    """All of a page's together: a later one may name what an earlier one has."""
    shown = re.findall(
        r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "shown.toml").write_text("\n".join(shown), encoding="utf-8")
    assert main(["config", "check", str(tmp_path / "shown.toml")]) == 0
