"""The configuration: its layers, its presets, and errors that name the key and where it stands."""

import argparse
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from livetag.config import Config, convert, find_file, load, read_environment, read_file
from livetag.detector import alert_thresholds
from livetag.errors import UsageError
from livetag.options import build_parser
from livetag.resources import PRESETS_DIR
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

PRESETS = sorted(path.stem for path in PRESETS_DIR.glob("*.toml"))


def written(folder: Path, text: str) -> Path:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Config:
    return load(str(file) if file else None, options, environment or {})[0]


def monitor_options() -> dict[str, argparse.Action]:
    """The options of `livetag monitor`, by the key that each sets."""
    actions = build_parser()._actions
    commands = next(a for a in actions if isinstance(a, argparse._SubParsersAction))
    options = commands.choices["monitor"]._actions
    return {option.dest: option for option in options if option.dest != "help"}


# --- What ships ---------------------------------------------------------------------------------


def test_the_default_file_says_what_the_defaults_are() -> None:
    assert convert(read_file(PRESETS_DIR / "default.toml"), "default") == Config()


def test_the_default_file_mentions_every_key_once() -> None:
    text = (PRESETS_DIR / "default.toml").read_text(encoding="utf-8")
    mentioned = re.findall(r"^(?:# )?([a-z_]+) = ", text, re.MULTILINE)
    assert sorted(mentioned) == sorted(Config.__struct_fields__)


def test_the_default_file_is_valid_with_any_of_its_keys_uncommented() -> None:
    text = (PRESETS_DIR / "default.toml").read_text(encoding="utf-8")
    commented = re.findall(r"^# ([a-z_]+) = (.*)$", text, re.MULTILINE)
    assert {key for key, _ in commented} >= {"device", "input", "csv", "weights"}
    for key, value in commented:
        uncommented = text.replace(f"# {key} = {value}", f"{key} = {value}")
        assert getattr(convert(tomllib.loads(uncommented), key), key) is not None


def test_every_option_of_monitor_is_a_key_and_every_key_but_one_an_option() -> None:
    options = monitor_options().keys() - {"config"}
    assert options == set(Config.__struct_fields__) - {"hold_seconds"}


def test_an_option_that_is_not_given_sets_nothing() -> None:
    given = vars(build_parser().parse_args(["monitor", "--top", "3"]))
    assert given.keys() == {"command", "top"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_its_alerts_and_hop_exist(name: str, labels: ClassMap) -> None:
    config, ignored = load(name, {}, {})
    assert ignored == []
    assert len(alert_thresholds(config.alert, labels, config.threshold)) == len(config.alert)
    Params(patch_hop_seconds=config.patch_hop_seconds)


def test_the_presets_are_those_that_the_help_names() -> None:
    named = re.search(r"a preset \((.*)\)", str(monitor_options()["config"].help))
    assert named
    assert sorted(named[1].split(", ")) == PRESETS


@pytest.mark.parametrize(
    ("preset", "wanted"),
    [
        (
            "default",
            "Smoke detector, smoke alarm; Fire alarm; Siren; Glass; Shatter; Baby cry, infant cry;"
            "Dog; Doorbell; Knock; Screaming; Telephone; Gunshot, gunfire",
        ),
        (
            "home",
            "Smoke detector, smoke alarm; Fire alarm; Siren; Glass; Shatter; Baby cry, infant cry;"
            "Dog; Doorbell; Knock; Screaming; Telephone; Gunshot, gunfire",
        ),
        (
            "baby",
            "Baby cry, infant cry; Smoke detector, smoke alarm; Fire alarm; Glass; Screaming",
        ),
    ],
)
def test_a_preset_alerts_on_what_somebody_would_want_to_know(
    preset: str, wanted: str, labels: ClassMap
) -> None:
    config = load(preset, {}, {})[0]
    alerts = alert_thresholds(config.alert, labels, config.threshold)
    assert {part.strip() for part in wanted.split(";")} <= {label.name for label in alerts}


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("treshold = 0.4", ["treshold", "did you mean 'threshold'"]),
        ("[monitor]\ntop = 3", ["monitor"]),
        ('threshold = "0.4"', ["threshold", "float"]),
        ("threshold = 1.01", ["threshold", "<= 1.0"]),
        ("threshold = 0", ["threshold", "> 0.0"]),
        ("threshold = nan", ["threshold"]),
        ("top = 0", ["top", ">= 1"]),
        ("top = 2.5", ["top", "int"]),
        ("top = true", ["top", "int"]),
        ("hold_seconds = -0.1", ["hold_seconds"]),
        ('patch_hop_seconds = "0.48"', ["patch_hop_seconds", "float"]),
        ("duration_seconds = 0", ["duration_seconds"]),
        ("duration_seconds = inf", ["duration_seconds"]),
        ('alert = "Dog"', ["alert", "array"]),
        ('alert = ["Dog", 3]', ["alert", "str"]),
        ("json = 1", ["json", "bool"]),
        ("top = ", ["not TOML"]),
        ('demo = true\ninput = "a.wav"', ["demo", "input"]),
        ('device = "USB"\ninput = "a.wav"', ["device", "input"]),
        ("device = 0\ndemo = true", ["device", "demo"]),
    ],
)
def test_what_a_file_may_not_hold_is_named(text: str, named: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        loaded(path)
    message = str(caught.value)
    for part in named:
        assert part in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["treshold = 1", "threshold = 2", "top = ", "\xff = 1"])
def test_the_file_at_fault_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=re.escape(str(path))):
        loaded(path)


def test_a_file_that_is_not_there_is_an_error_that_lists_the_presets(tmp_path: Path) -> None:
    for name in (str(tmp_path / "none.toml"), "hoem", "../config/home"):
        with pytest.raises(UsageError) as caught:
            find_file(name)
        assert name in str(caught.value)
        assert ", ".join(PRESETS) in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_file(tmp_path / "gone.toml")


# --- The layers ---------------------------------------------------------------------------------


def test_options_beat_the_environment_which_beats_the_file_which_beats_the_defaults(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "threshold = 0.2\ntop = 2\nhold_seconds = 2.0")
    environment = {"LIVETAG_THRESHOLD": "0.3", "LIVETAG_TOP": "3"}
    config = loaded(path, environment, threshold=0.4)
    assert (config.threshold, config.top, config.hold_seconds) == (0.4, 3, 2.0)
    assert config.patch_hop_seconds == Config().patch_hop_seconds


def test_the_environment_names_a_file_and_an_option_names_another(tmp_path: Path) -> None:
    mine = written(tmp_path, "threshold = 0.123")
    environment = {"LIVETAG_CONFIG": str(mine)}
    assert loaded(None, environment).threshold == 0.123
    assert loaded(Path("baby"), environment).threshold == 0.4


def test_every_key_can_be_set_by_its_variable() -> None:
    texts = {
        "device": "USB",
        "input": "a.wav",
        "demo": "true",
        "fast": "1",
        "rate": "44100",
        "channels": "2",
        "duration_seconds": "1.5",
        "patch_hop_seconds": "0.24",
        "threshold": "0.25",
        "hold_seconds": "0",
        "alert": "Dog",
        "top": "7",
        "dashboard": "false",
        "json": "true",
        "csv": "7",
        "weights": "w.h5",
    }
    assert texts.keys() == set(Config.__struct_fields__)
    values, ignored = read_environment({f"LIVETAG_{key.upper()}": texts[key] for key in texts})
    assert ignored == []
    assert values == {
        "device": "USB",
        "input": "a.wav",
        "demo": True,
        "fast": True,
        "rate": 44_100,
        "channels": 2,
        "duration_seconds": 1.5,
        "patch_hop_seconds": 0.24,
        "threshold": 0.25,
        "hold_seconds": 0.0,
        "alert": ["Dog"],
        "top": 7,
        "dashboard": False,
        "json": True,
        "csv": "7",
        "weights": "w.h5",
    }


def test_semicolons_part_the_alerts_since_names_hold_commas() -> None:
    alerts = "Smoke detector, smoke alarm=0.2; Dog;"
    config = loaded(None, {"LIVETAG_ALERT": alerts})
    assert config.alert == ("Smoke detector, smoke alarm=0.2", "Dog")


@pytest.mark.parametrize("text", ["loud", "2", "nan"])
def test_a_variable_that_cannot_be_taken_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="LIVETAG_THRESHOLD"):
        loaded(None, {"LIVETAG_THRESHOLD": text})


def test_an_unknown_variable_is_told_and_ignored() -> None:
    environment = {
        "LIVETAG_TRESHOLD": "0.2",
        "LIVETAG_CACHE_DIR": "/tmp",
        "LIVETAG_TOP": "",
        "PATH": "/bin",
    }
    config, ignored = load(None, {}, environment)
    assert config == Config()
    assert len(ignored) == 1
    assert "LIVETAG_TRESHOLD" in ignored[0]
    assert "did you mean LIVETAG_THRESHOLD?" in ignored[0]


@pytest.mark.parametrize(
    ("file", "environment", "options", "source"),
    [
        ('device = "USB"', {}, {"demo": True}, {"demo": True}),
        ("demo = true", {"LIVETAG_INPUT": "a.wav"}, {}, {"input": "a.wav"}),
        ("demo = true", {"LIVETAG_INPUT": "a.wav"}, {"device": "0"}, {"device": "0"}),
        ("demo = true", {"LIVETAG_DEMO": "false"}, {}, {}),
        ("device = 0", {}, {"top": 3}, {"device": 0}),
        ('input = "a.wav"', {"LIVETAG_DEVICE": "0"}, {}, {"device": "0"}),
    ],
)
def test_a_source_replaces_any_source_of_a_weaker_layer(
    file: str,
    environment: dict[str, str],
    options: dict[str, Any],
    source: dict[str, Any],
    tmp_path: Path,
) -> None:
    config = loaded(written(tmp_path, file), environment, **options)
    nothing = {"device": None, "input": None, "demo": False}
    assert {key: getattr(config, key) for key in nothing} == nothing | source


def test_two_sources_in_one_layer_are_an_error() -> None:
    with pytest.raises(UsageError, match="input and demo exclude each other"):
        loaded(None, {"LIVETAG_INPUT": "a.wav", "LIVETAG_DEMO": "true"})
    with pytest.raises(UsageError, match="device and input exclude each other"):
        loaded(device="USB", input="a.wav")
