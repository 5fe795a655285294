"""A command's options as the monitor's command line: there and back."""

import argparse

import pytest

from livetag.options import build_parser, monitor_arguments

EVERY_KIND = [
    [],
    ["--device", "USB Audio", "--rate", "48000", "--require-device", "60"],
    ["--device", "-1"],
    ["--demo", "--fast", "-v", "--json"],
    ["--alert", "Dog=0.5", "--alert", "Baby cry, infant cry", "--hop", "0.1"],
    ["--dashboard"],
    ["--no-dashboard"],
    ["--spectrogram"],
    ["--no-spectrogram"],
    ["--history"],
    ["--csv", "=%Y $HOME.csv", "--config=--home", "--weights", "a b"],
]


def settings(options: argparse.Namespace) -> dict[str, object]:
    return {name: value for name, value in vars(options).items() if name != "command"}


@pytest.mark.parametrize("arguments", EVERY_KIND)
def test_the_arguments_of_options_give_the_same_options(arguments: list[str]) -> None:
    options = build_parser().parse_args(["monitor", *arguments])
    again = build_parser().parse_args(["monitor", *monitor_arguments(options)])
    assert settings(again) == settings(options)


@pytest.mark.parametrize("command", [["scan", "-o", "a.csv"], ["plot", "a.wav"]])
def test_what_decides_on_events_is_one_set_of_options(command: list[str]) -> None:
    rules = ["--config", "home", "--hop", "0.96", "--threshold", "0.4", "--alert", "Dog"]
    monitor = settings(build_parser().parse_args(["monitor", *rules]))
    assert monitor.items() <= settings(build_parser().parse_args([*command, *rules])).items()


@pytest.mark.parametrize("floor", ["1.01", "-0.1", "nan", "a"])
def test_a_floor_is_a_score(floor: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["scan", "a.wav", "-o", "a.csv", f"--floor={floor}"])
    assert f"--floor: '{floor}' is not a score from 0 to 1" in capsys.readouterr().err


def test_what_is_not_the_monitors_is_left_out() -> None:
    options = build_parser().parse_args(["service", "install", "--yes", "--csv", "a.csv"])
    assert monitor_arguments(options) == ["--csv=a.csv"]


def test_a_service_takes_every_option_of_the_monitor() -> None:
    for arguments in EVERY_KIND:
        monitor = build_parser().parse_args(["monitor", *arguments])
        service = build_parser().parse_args(["service", "install", *arguments])
        assert settings(monitor) == {
            name: value for name, value in settings(service).items() if name not in {"yes", "print"}
        }
