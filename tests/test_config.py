"""The configuration: its layers, its presets, and errors that name the key and where it stands."""

import argparse
import contextlib
import json
import os
import re
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from livetag import schema
from livetag.config import find_file, load, read_environment, read_file, variable
from livetag.errors import UsageError
from livetag.options import build_parser
from livetag.resources import PRESETS_DIR
from livetag.rules import Rules, resolve
from livetag.schema import KEYS, TABLE_KEYS, Config, convert
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

PLAIN_KEYS = tuple(key for key in KEYS if key not in TABLE_KEYS)
FILE_KEYS = {
    *("release", "confirm", "sure", "short", "short_threshold", "hold_seconds", "max_seconds"),
    *("cooldown_seconds", "stall_seconds", "zeros_seconds"),
    *("unless", "min_level_dbfs", "hours", "watch", "ignore", *TABLE_KEYS),
}
"""Keys that no option sets."""
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
    return load(str(file) if file else None, options, environment or {}).config


def alerting(rules: Rules) -> set[str]:
    return {rules.labels[index].name for index in rules.alerting}


def monitor_options() -> dict[str, argparse.Action]:
    """The options of `livetag monitor`, by the key that each sets."""
    actions = build_parser()._actions
    commands = next(a for a in actions if isinstance(a, argparse._SubParsersAction))
    options = commands.choices["monitor"]._actions
    return {option.dest: option for option in options if option.dest != "help"}


# --- What ships ---------------------------------------------------------------------------------


def test_the_default_file_says_what_the_defaults_are() -> None:
    assert convert(read_file(PRESETS_DIR / "default.toml"), "default") == Config()


def default_text() -> tuple[str, str]:
    """The default file up to its first table, which may be commented out, and from there on."""
    text = (PRESETS_DIR / "default.toml").read_text(encoding="utf-8")
    first = re.search(r"^(?:# )?\[", text, re.MULTILINE)
    assert first, "no table is explained"
    return text[: first.start()], text[first.start() :]


def test_the_default_file_mentions_every_key_once() -> None:
    keys, _ = default_text()
    mentioned = re.findall(r"^(?:# )?([a-z_]+) = ", keys, re.MULTILINE)
    assert sorted(mentioned) == sorted(PLAIN_KEYS)


def test_the_default_file_explains_every_key_of_every_table() -> None:
    _, tables = default_text()
    for header in ("[groups]", "[[rule]]", "[[sink]]"):
        assert f"# {header}\n" in tables
    sinks = get_args(schema.SinkTable)
    for table in (schema.Rule, *sinks):
        for key in table.__struct_fields__:
            assert re.search(rf"\b{key}\b", tables), key
    for sink in sinks:
        assert f'"{sink.__struct_config__.tag}"' in tables


def test_the_default_file_is_valid_with_any_of_its_keys_uncommented() -> None:
    keys, _ = default_text()
    commented = re.findall(r"^# ([a-z_]+) = (.*)$", keys, re.MULTILINE)
    assert {key for key, _ in commented} >= {"device", "input", "csv", "weights"}
    for key, value in commented:
        uncommented = keys.replace(f"# {key} = {value}", f"{key} = {value}")
        assert getattr(convert(tomllib.loads(uncommented), key), key) is not None


def test_the_tables_of_the_default_file_are_valid_when_they_are_uncommented() -> None:
    _, tables = default_text()
    blocks = re.findall(r"^# \[.*\n(?:# .* = .*\n)+", tables, re.MULTILINE)
    assert blocks
    for block in blocks:
        text = block.removeprefix("# ").replace("\n# ", "\n")
        assert convert(tomllib.loads(text), text) != Config()


def test_every_option_of_monitor_is_a_key_and_the_others_stand_in_files() -> None:
    options = monitor_options().keys() - {"config"}
    assert options == set(KEYS) - FILE_KEYS


def test_the_defaults_that_the_help_tells_are_the_defaults() -> None:
    told = {
        key: float(default[1])
        for key, option in monitor_options().items()
        if (default := re.search(r"\(default ([\d.]+)\)", str(option.help)))
    }
    assert {"threshold", "top", "channels", "patch_hop_seconds"} <= told.keys()
    assert told == {key: getattr(Config(), key) for key in told}


def test_an_option_that_is_not_given_sets_nothing() -> None:
    given = vars(build_parser().parse_args(["monitor", "--top", "3"]))
    assert given.keys() == {"command", "top"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_its_alerts_and_hop_exist(name: str, labels: ClassMap) -> None:
    of_preset = load(name, {}, {})
    assert of_preset.ignored == []
    assert len(alerting(resolve(of_preset.config, labels))) >= len(of_preset.config.alert)
    Params(patch_hop_seconds=of_preset.config.patch_hop_seconds)


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
    config = load(preset, {}, {}).config
    assert {part.strip() for part in wanted.split(";")} <= alerting(resolve(config, labels))


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("treshold = 0.4", ["treshold", "did you mean 'threshold'"]),
        ("[monitor]\ntop = 3", ["monitor"]),
        ('threshold = "0.4"', ["threshold", "is not a number"]),
        ("threshold = 1.01", ["threshold", "is not a number above 0 and at most 1"]),
        ("threshold = 0", ["threshold", "0 is not a number above 0 and at most"]),
        ("threshold = 0x" + 5_000 * "f", ["threshold", "a number of very many digits is not"]),
        ("threshold = nan", ["threshold"]),
        ("top = 0", ["top", "0 is not a whole number from 1 to "]),
        ("top = 2.5", ["top", "is not a whole number from 1 to "]),
        ("top = true", ["top", "is not a whole number from 1 to "]),
        ("hold_seconds = -0.1", ["hold_seconds"]),
        ('patch_hop_seconds = "0.48"', ["patch_hop_seconds", "is not a number"]),
        ("duration_seconds = 0", ["duration_seconds"]),
        ("duration_seconds = inf", ["duration_seconds"]),
        ('alert = "Dog"', ["alert", "is not a list of"]),
        ('alert = ["Dog", 3]', ["alert", "is not a text of "]),
        ('[[rule]]\nlabel = "Dog"\ntreshold = 0.3', ["rule 1", "treshold"]),
        ('[rule]\nlabel = "Dog"', ["rule", "is not a list of"]),
        ("[[groups]]\npets = []", ["groups", "is not a table"]),
        ('[[sink]]\nkind = "cvs"\npath = "a"', ["sink 1.kind", "cvs"]),
        ("json = 1", ["json", "is not true"]),
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 100_000, "is nested too deeply"),
        ("x = " + "{a=" * 100_000, "is nested too deeply"),
        ("groups = " + "[" * 500 + "]" * 500, "is nested too deeply"),
        ("rate = " + "9" * 5_000, "is not TOML"),
        (".".join(["a"] * 200_000) + " = 1", r"is not TOML: line 1 has more than 100 dots"),
        ("top = 1\n[" + ".".join(["a"] * 102) + "]", r"line 2 has more than 100 dots"),
        ("# " + "x" * 600_000, "cannot be read: it is larger than 512 KiB"),
        ("csv = '\0'", "is not TOML"),
        ('csv = "\\u0000"', "csv: a null character cannot stand here"),
        (
            "csv = '" + "x" * 5_000 + "'",
            r"csv: 'x{60}\.\.\.' is not a text of 1 to 4,096 characters",
        ),
        (
            "alert = ['" + "x" * 5_000 + "']",
            r"alert\[0\]: 'x{60}\.\.\.' is not a text of at most 256 characters",
        ),
        ("x" * 100_000 + " = 1", r"there is no key 'x{80}'"),
        ('[[rule]]\n"\\u001b[31m" = 1', r"unknown field \?\[31m"),
        (
            "[[sink]]\nkind = 'csv'\npath = 'x'\n" * 65,
            "sink: a list of 65 is not a list of at most 64 tables",
        ),
        (
            "[[rule]]\nlabel = 'Dog'\n" * 2_001,
            "rule: a list of 2,001 is not a list of at most 2,000 tables",
        ),
        (
            "[groups]\n" + "".join(f"g{n} = []\n" for n in range(1_001)),
            "a table of 1,001 names is not a table of at most 1,000",
        ),
    ],
    ids=range(16),
)
def test_a_file_that_attacks_is_refused_in_a_few_words(
    text: str, reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError, match=reason) as caught:
        read_file(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1_500
    assert caught.value.exit_code == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize(("size", "told"), [(0, ""), (600_000, "it is larger than 512 KiB")])
def test_a_configuration_may_come_through_a_pipe(size: int, told: str, tmp_path: Path) -> None:
    """As from `--config <(...)`; no more of it is read than of a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), path.open("w") as pipe:
            pipe.write(f"# {'x' * size}\nthreshold = 0.4\n")

    writer = threading.Thread(target=write)
    writer.start()
    if told:
        with pytest.raises(UsageError, match=told):
            load(str(path), {}, {})
    else:
        assert load(str(path), {}, {}).config.threshold == 0.4
    writer.join(30.0)
    assert not writer.is_alive()


def test_a_file_of_a_terabyte_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="larger than 512 KiB"):
        read_file(path)


@pytest.mark.parametrize("key", ["threshold", "hold_seconds", "min_level_dbfs", "stall_seconds"])
@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-inf", "1e999"])
def test_what_is_no_finite_number_is_out_of_every_range(
    key: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"{key}: -?(nan|inf) is not a number (from|above)"):
        read_file(written(tmp_path, f"{key} = {value}"))
    with pytest.raises(UsageError, match=variable(key)):
        load(None, {}, {variable(key): value})


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xef\xbb\xbftop = 3\r\n")
    assert read_file(path) == {"top": 3}


def test_a_rule_with_every_key_for_every_class_fits(labels: ClassMap, tmp_path: Path) -> None:
    rule = (
        "[[rule]]\nlabel = '{}'\nalert = 'listed'\nthreshold = 0.35\nrelease = 0.15\n"
        "confirm = [2, 3]\nsure = 0.65\nhold_seconds = 3.5\nmax_seconds = 600.0\n"
        "cooldown_seconds = 10.5\nunless = ['Music', 'Speech']\nmin_level_dbfs = -45.5\n"
        "hours = '22:00-07:00'\n"
    )
    path = written(tmp_path, "".join(rule.format(label.index) for label in labels))
    assert len(loaded(path).rule) == 521


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
    assert loaded(Path("baby"), environment) == loaded(Path("baby"))


VARIABLES: dict[str, tuple[str, Any]] = {
    "device": ("USB", "USB"),
    "input": ("a.wav", "a.wav"),
    "demo": ("true", True),
    "fast": ("1", True),
    "since": ("2026-11-22", "2026-11-22"),
    "rate": ("44100", 44_100),
    "channels": ("2", 2),
    "stall_seconds": ("3.5", 3.5),
    "zeros_seconds": ("60", 60.0),
    "require_device": ("90", 90.0),
    "duration_seconds": ("1.5", 1.5),
    "patch_hop_seconds": ("0.24", 0.24),
    "threshold": ("0.25", 0.25),
    "release": ("0.2", 0.2),
    "confirm": ("2;3", (2, 3)),
    "sure": ("0.8", 0.8),
    "short": ("Dog; Knock", ("Dog", "Knock")),
    "short_threshold": ("0.55", 0.55),
    "hold_seconds": ("0", 0.0),
    "max_seconds": ("60", 60.0),
    "cooldown_seconds": ("30", 30.0),
    "unless": ("Music; Television", ("Music", "Television")),
    "min_level_dbfs": ("-40", -40.0),
    "hours": ("22:00-07:00", "22:00-07:00"),
    "alert": ("Smoke detector, smoke alarm=0.2; Dog;", ("Smoke detector, smoke alarm=0.2", "Dog")),
    "watch": ("Dog", ("Dog",)),
    "ignore": ("Speech; ;Music", ("Speech", "Music")),
    "top": ("7", 7),
    "dashboard": ("false", False),
    "spectrogram": ("true", True),
    "explain": ("true", True),
    "json": ("true", True),
    "csv": ("7", "7"),
    "jsonl": ("a.jsonl", "a.jsonl"),
    "audacity": ("a.txt", "a.txt"),
    "raven": ("a.txt", "a.txt"),
    "dcase": ("a.tsv", "a.tsv"),
    "history": ("a.sqlite", "a.sqlite"),
    "clips": ("clips", "clips"),
    "weights": ("w.h5", "w.h5"),
}


def test_every_key_but_tables_can_be_set_by_its_variable() -> None:
    assert VARIABLES.keys() == set(PLAIN_KEYS)
    environment = {f"LIVETAG_{key.upper()}": text for key, (text, _) in VARIABLES.items()}
    values, ignored = read_environment(environment)
    assert ignored == []
    assert values == {key: value for key, (_, value) in VARIABLES.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("TRUE", True), ("1", True), ("false", False), ("False", False)),
        *(("0", False), ("./0", "./0"), ("yes.sqlite", "yes.sqlite")),
    ],
)
def test_a_variable_turns_the_history_on_or_off_or_names_it(text: str, value: bool | str) -> None:
    assert loaded(None, {"LIVETAG_HISTORY": text}).history is value


def test_a_variable_means_what_the_same_value_in_a_file_means(tmp_path: Path) -> None:
    for key in ("confirm", "unless", "min_level_dbfs", "duration_seconds", "explain"):
        text, value = VARIABLES[key]
        path = tmp_path / f"{key}.toml"
        path.write_text(f"{key} = {json.dumps(value)}", encoding="utf-8")
        assert loaded(path) == loaded(None, {variable(key): text})


@pytest.mark.parametrize(
    ("key", "text"),
    [("confirm", "2"), ("confirm", "2;3;4"), ("confirm", "two;three"), ("min_level_dbfs", "40")],
)
def test_a_list_or_level_that_cannot_be_is_named_by_its_variable(key: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{variable(key)}: {key}"):
        loaded(None, {variable(key): text})


@pytest.mark.parametrize("text", ["loud", "2", "nan"])
def test_a_variable_that_cannot_be_taken_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="LIVETAG_THRESHOLD"):
        loaded(None, {"LIVETAG_THRESHOLD": text})


@pytest.mark.parametrize("name", ["LIVETAG_RULES", "LIVETAG_GROUP"])
def test_a_variable_near_a_table_s_has_no_hint_that_leads_nowhere(name: str) -> None:
    (message,) = load(None, {}, {name: "x"}).ignored
    assert message.startswith(f"{name} is no setting")
    assert not any(f"mean {variable(key)}?" in message for key in TABLE_KEYS)


def test_an_unknown_variable_is_told_and_ignored() -> None:
    environment = {
        "LIVETAG_TRESHOLD": "0.2",
        "LIVETAG_CACHE_DIR": "/tmp",
        "LIVETAG_TOP": "",
        "PATH": "/bin",
    }
    result = load(None, {}, environment)
    assert result.config == Config()
    assert result.origins == {}
    (message,) = result.ignored
    assert "LIVETAG_TRESHOLD" in message
    assert "did you mean LIVETAG_THRESHOLD?" in message


@pytest.mark.parametrize("key", TABLE_KEYS)
def test_tables_cannot_be_set_by_a_variable(key: str) -> None:
    result = load(None, {}, {variable(key): '[{"label": "Dog"}]'})
    assert result.config == Config()
    (message,) = result.ignored
    assert message == f"{variable(key)}: tables stand in a file alone: it is ignored"


def test_what_set_a_key_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, 'threshold = 0.2\ntop = 2\ndemo = true\n[[rule]]\nlabel = "Dog"')
    environment = {"LIVETAG_TOP": "3", "LIVETAG_HOLD_SECONDS": "2", "LIVETAG_FAST": "true"}
    result = load(str(path), {"fast": True, "input": "a.wav"}, environment)
    assert result.origins == {
        "threshold": str(path),
        "top": "LIVETAG_TOP",
        "rule": str(path),
        "hold_seconds": "LIVETAG_HOLD_SECONDS",
        "fast": "the command line",
        "input": "the command line",  # and demo, which it replaced, is set by nobody
    }
    assert not result.config.demo


def test_a_key_that_is_set_to_its_default_is_set_all_the_same() -> None:
    assert load(None, {"top": Config().top}, {}).origins == {"top": "the command line"}


DOG_RULE = """
alert = ["Siren"]
[[rule]]
label = "Dog"
threshold = 0.3
unless = ["Music"]
"""


@pytest.mark.parametrize("by", ["option", "variable"])
def test_stronger_alerts_silence_the_files_rules_and_keep_their_values(
    by: str, labels: ClassMap, tmp_path: Path
) -> None:
    path = written(tmp_path, DOG_RULE)
    assert alerting(resolve(loaded(path), labels)) == {"Siren", "Dog"}
    for alert, expected in (("Cat", {"Cat"}), ("Dog", {"Dog"})):
        if by == "option":
            rules = resolve(loaded(path, alert=[alert]), labels)
        else:
            rules = resolve(loaded(path, {"LIVETAG_ALERT": alert}), labels)
        assert alerting(rules) == expected
        dog = rules.all[labels.find("Dog").index]
        assert dog.threshold == 0.3
        assert [labels[index].name for index in dog.unless] == ["Music"]


@pytest.mark.parametrize("alert", ["true", "false", '"listed"'])
def test_a_rule_alerts_where_stronger_alerts_name_it_whatever_it_says(
    alert: str, labels: ClassMap, tmp_path: Path
) -> None:
    text = f"""
        alert = []
        [groups]
        pets = ["Cat", "Bird"]
        [[rule]]
        label = "Dog"
        alert = {alert}
        [[rule]]
        group = "pets"
        alert = {alert}
    """
    path = written(tmp_path, text)
    weaker = alerting(resolve(loaded(path), labels))
    assert weaker == ({"Dog", "Cat", "Bird"} if alert == "true" else set())
    stronger = resolve(loaded(path, alert=["Dog", "pets=0.4"]), labels)
    assert alerting(stronger) == {"Dog", "Cat", "Bird"}
    assert alerting(resolve(loaded(path, alert=[]), labels)) == set()


def test_a_files_own_alerts_leave_its_rules_as_they_are(labels: ClassMap, tmp_path: Path) -> None:
    text = 'alert = ["Dog"]\n[[rule]]\nlabel = "Dog"\nalert = false\n[[rule]]\nlabel = "Cat"'
    assert alerting(resolve(loaded(written(tmp_path, text)), labels)) == {"Cat"}


def test_other_options_leave_the_files_rules_alerting(labels: ClassMap, tmp_path: Path) -> None:
    config = loaded(written(tmp_path, DOG_RULE), {"LIVETAG_TOP": "3"}, threshold=0.9)
    assert alerting(resolve(config, labels)) == {"Siren", "Dog"}


def test_tables_come_from_the_file_whole(tmp_path: Path) -> None:
    text = """
        [groups]
        pets = ["Dog", "Cat"]
        [[rule]]
        group = "pets"
        [[sink]]
        kind = "csv"
        path = "events.csv"
    """
    config = loaded(written(tmp_path, text), {"LIVETAG_TOP": "3"}, csv="other.csv")
    assert config.groups == {"pets": ("Dog", "Cat")}
    assert config.rule == (schema.Rule(group="pets"),)
    assert config.sink == (schema.CsvLog(path="events.csv"),)
    assert config.csv == "other.csv"


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
