"""What a configuration may say: strict types and ranges, and messages that name the key."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from livetag import schema
from livetag.errors import UsageError
from livetag.resources import PRESETS_DIR
from livetag.schema import KEYS, LIST_KEYS, TABLE_KEYS, Config, as_builtins, convert, json_schema

KINDS = ("csv", "jsonl", "audacity", "raven", "dcase", "history", "clips")
FULL: dict[str, Any] = {
    "threshold": 0.4,
    "release": 0.2,
    "confirm": [2, 3],
    "hold_seconds": 2,
    "hours": "22:00-07:00",
    "alert": ["Dog=0.3"],
    "groups": {"pets": ["Dog", "Cat"], "TV and radio": ["Television"]},
    "rule": [
        {"label": "Dog", "threshold": 0.3, "confirm": [1, 1], "unless": ["Music"]},
        {"group": "pets", "alert": False, "min_level_dbfs": -45, "max_seconds": 60},
    ],
    "sink": [
        {"kind": "csv", "path": "events-%Y-%m-%d.csv", "alerts_only": True, "max_megabytes": 5},
        {"kind": "history"},
        {"kind": "clips", "path": "clips", "labels": ["Dog"], "format": "wav"},
    ],
}
"""A configuration with something of everything."""


def schema_of(key: str) -> dict[str, Any]:
    """What the JSON Schema says of a key of a configuration file."""
    whole = json_schema()
    config = whole["$defs"][whole["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = config["properties"][key]
    return found


def kinds_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the JSON Schema takes for a key, without null, kind by kind."""
    return [kind for kind in found.get("anyOf", [found]) if kind.get("type") != "null"]


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        convert(values, "my.toml")
    message = str(caught.value)
    assert message.startswith("my.toml: ")
    assert "`" not in message
    return message


# --- What is taken ------------------------------------------------------------------------------


def test_nothing_said_is_the_defaults() -> None:
    assert convert({}, "my.toml") == Config()


def test_a_full_configuration_is_taken_as_it_says() -> None:
    config = convert(FULL, "my.toml")
    assert (config.threshold, config.hold_seconds, config.confirm) == (0.4, 2.0, (2, 3))
    assert config.groups == {"pets": ("Dog", "Cat"), "TV and radio": ("Television",)}
    dog, pets = config.rule
    assert (dog.label, dog.threshold, dog.unless, dog.alert) == ("Dog", 0.3, ("Music",), True)
    assert (pets.group, pets.alert, pets.threshold, pets.unless) == ("pets", False, None, None)
    log, history, clips = config.sink
    assert isinstance(log, schema.CsvLog)
    assert (log.alerts_only, log.max_megabytes, log.labels) == (True, 5.0, ())
    assert isinstance(history, schema.HistoryLog)
    assert history.path is None
    assert isinstance(clips, schema.Clips)
    assert (clips.format, clips.labels, clips.alerts_only) == ("wav", ("Dog",), True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sink_is_a_table_of_its_own(kind: str) -> None:
    (sink,) = convert({"sink": [{"kind": kind, "path": "a"}]}, "my.toml").sink
    assert type(sink).__struct_config__.tag == kind
    assert sink.path == "a"


def test_there_are_no_other_kinds_of_sink() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(schema.SinkTable)} == set(KINDS)


@pytest.mark.parametrize(
    ("key", "edges"),
    [
        ("threshold", [1e-6, 1, 1.0]),
        ("hold_seconds", [0, 86_400]),
        ("min_level_dbfs", [-150, 0.0]),
        ("confirm", [[1, 1], [1, 100], [100, 100]]),
        ("channels", [1, 1_024]),
        ("top", [1, 521]),
        ("device", ["USB", 0]),
        ("history", [True, False, "h.sqlite"]),
    ],
)
def test_the_edges_of_a_range_are_within_it(key: str, edges: list[Any]) -> None:
    for value in edges:
        taken = getattr(convert({key: value}, "my.toml"), key)
        assert taken == (tuple(value) if isinstance(value, list) else value)


def test_a_configuration_is_frozen() -> None:
    config = convert(FULL, "my.toml")
    with pytest.raises(AttributeError):
        config.threshold = 0.9  # type: ignore[misc]
    with pytest.raises(AttributeError):
        config.rule[0].label = "Cat"  # type: ignore[misc]


def test_plain_values_make_the_same_configuration_again() -> None:
    config = convert(FULL, "my.toml")
    values = as_builtins(config)
    assert tuple(values) == KEYS
    assert convert(values, "again") == config
    assert convert(json.loads(json.dumps(values)), "again") == config


def test_the_keys_that_are_lists_and_tables_are_those_that_the_schema_has() -> None:
    several = {
        key
        for key in KEYS
        if {"array", "object"} & {kind.get("type") for kind in kinds_of(schema_of(key))}
    }
    assert several == LIST_KEYS | set(TABLE_KEYS)


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"treshold": 0.4}, ["treshold", "did you mean 'threshold'"]),
        ({"rules": []}, ["rules", "did you mean 'rule'"]),
        ({"sinks": []}, ["sinks", "did you mean 'sink'"]),
        ({"xyzzy": 1}, ["xyzzy", "there are: ", "threshold"]),
        ({"threshold": "0.4"}, ["threshold", "is not a number"]),
        ({"threshold": True}, ["threshold", "true is not a number"]),
        ({"threshold": 0}, ["threshold", "0 is not a number above 0 and at most"]),
        ({"threshold": 1.01}, ["threshold", "is not a number above 0 and at most 1"]),
        ({"threshold": float("nan")}, ["threshold"]),
        ({"release": 0.0}, ["release", "0.0 is not a number above 0 and at most"]),
        ({"hold_seconds": float("nan")}, ["hold_seconds"]),
        ({"hold_seconds": -0.1}, ["hold_seconds", "is not a number from 0 to 86,400"]),
        ({"hold_seconds": float("inf")}, ["hold_seconds", "inf is not a number from 0 to 86,400"]),
        ({"max_seconds": 0}, ["max_seconds", "0 is not a number above 0 and at most"]),
        ({"cooldown_seconds": -1}, ["cooldown_seconds", "is not a number from 0 to 86,400"]),
        ({"min_level_dbfs": 1}, ["min_level_dbfs", "1 is not a number from -150 to 0"]),
        ({"min_level_dbfs": -151}, ["min_level_dbfs", "-151 is not a number from -150 to 0"]),
        ({"sure": 0}, ["sure", "0 is not a number above 0 and at most"]),
        ({"sure": 1.1}, ["sure", "is not a number above 0 and at most 1"]),
        ({"short_threshold": 0}, ["short_threshold", "0 is not a number above 0 and at most"]),
        ({"short_threshold": None}, ["short_threshold", "is not a number"]),
        ({"confirm": 2}, ["confirm", "is not a list of"]),
        ({"confirm": [1]}, ["confirm", "is not a list of 2 whole numbers from 1 to 100"]),
        ({"confirm": [1, 2, 3]}, ["confirm", "is not a list of 2 whole numbers from 1 to 100"]),
        ({"confirm": [0, 2]}, ["confirm[0]", "0 is not a whole number from 1 to "]),
        ({"confirm": [1, 101]}, ["confirm[1]", "101 is not a whole number from 1 to 100"]),
        ({"confirm": [1.5, 2]}, ["confirm[0]", "is not a whole number from 1 to "]),
        ({"hours": 22}, ["hours", "is not a text of "]),
        ({"alert": "Dog"}, ["alert", "is not a list of"]),
        ({"watch": ["Dog", 3]}, ["watch[1]", "is not a text of "]),
        ({"history": 1}, ["history", "is not true, false or a text of "]),
        ({"explain": "yes"}, ["explain", "is not true"]),
        ({"explain": {"a": 1}}, ["explain: a table of 1 name is not true or false"]),
        ({"groups": []}, ["groups: a list of 0 is not a table of at most 1,000 names"]),
        ({"groups": {"pets": "Dog"}}, ["groups", "is not a list of"]),
        ({"groups": {"pets": ["Dog", 3]}}, ["groups", "[1]", "is not a text of "]),
        ({"rule": {"label": "Dog"}}, ["rule", "is not a list of"]),
        ({"rule": ["Dog"]}, ["rule 1", "is not a table"]),
        ({"rule": [{"label": 69}]}, ["rule 1.label", "is not a text of "]),
        (
            {"rule": [{"label": "Dog"}, {"treshold": 1}]},
            ["rule 2", "treshold", "did you mean 'threshold'"],
        ),
        ({"rule": [{"label": "Dog", "colour": "red"}]}, ["rule 1", "there are: label, group"]),
        (
            {"sink": [{"kind": "csv", "path": "a", "alert_only": True}]},
            ["sink 1", "alert_only", "did you mean 'alerts_only'"],
        ),
        (
            {"sink": [{"kind": "history"}, {"kind": "clips", "path": "a", "never_wiht": []}]},
            ["sink 2", "never_wiht", "did you mean 'never_with'"],
        ),
        (
            {"rule": [{"label": "Dog", "threshold": 2}]},
            ["rule 1.threshold", "is not a number above 0 and at most 1"],
        ),
        (
            {"rule": [{"label": "Dog", "confirm": [0, 1]}]},
            ["rule 1.confirm[0]", "0 is not a whole number from 1 to "],
        ),
        ({"rule": [{"label": "Dog", "unless": "Music"}]}, ["rule 1.unless", "is not a list of"]),
        ({"rule": [{"label": "Dog", "alert": 1}]}, ["rule 1.alert", "is not true"]),
        ({"rule": [{"label": "Dog", "alert": "lsited"}]}, ["rule 1.alert", "lsited"]),
        (
            {"rule": [{}] * 11 + [{"label": "Dog", "sure": 2}]},
            ["rule 12.sure", "is not a number above 0 and at most 1"],
        ),
        ({"rule": [{"label": "Dog", "short_threshold": 0.5}]}, ["rule 1", "short_threshold"]),
        ({"groups": {"x" * 257: ["Dog"]}}, ["groups: one of its names has more than 256"]),
        ({"groups": {"rule": ["Dog", 3]}}, ["groups", "[1]", "is not a text of "]),
        (
            {"rule": [{"label": "Dog", "max_seconds": 0}]},
            ["rule 1.max_seconds", "0 is not a number above 0 and at most"],
        ),
        ({"sink": [{"path": "a"}]}, ["sink 1", "kind"]),
        ({"sink": [{"kind": "cvs", "path": "a"}]}, ["sink 1.kind", "'cvs'"]),
        ({"sink": [{"kind": "csv"}]}, ["sink 1", "path"]),
        ({"sink": [{"kind": "clips"}]}, ["sink 1", "path"]),
        ({"sink": [{"kind": "csv", "path": "a", "keep_days": 3}]}, ["sink 1", "keep_days"]),
        ({"sink": [{"kind": "csv", "path": 3}]}, ["sink 1.path", "is not a text of "]),
        (
            {"sink": [{"kind": "csv", "path": "a", "labels": "Dog"}]},
            ["sink 1.labels", "is not a list of"],
        ),
        (
            {"sink": [{"kind": "jsonl", "path": "a", "max_megabytes": 0}]},
            ["sink 1.max_megabytes", "0 is not a number above 0 and at most"],
        ),
        ({"sink": [{"kind": "history", "max_megabytes": 1}]}, ["sink 1", "max_megabytes"]),
        (
            {"sink": [{"kind": "clips", "path": "a", "format": "mp3"}]},
            ["sink 1.format", "mp3"],
        ),
        (
            {"sink": [{"kind": "clips", "path": "a", "pre_roll_seconds": 61}]},
            ["sink 1.pre_roll_seconds", "61 is not a number from 0 to 60"],
        ),
    ],
)
def test_what_cannot_be_is_named_with_where_it_stands(
    values: dict[str, Any], named: list[str]
) -> None:
    message = refusal(values)
    assert all(part in message for part in named), message


@pytest.mark.parametrize(
    "key",
    [
        *("device", "input", "since", "weights"),
        *("csv", "jsonl", "audacity", "raven", "dcase", "history", "clips"),
    ],
)
def test_a_path_a_device_and_a_time_are_not_empty(key: str) -> None:
    """An unset variable of somebody's script makes one: it names nothing."""
    message = refusal({key: ""})
    assert key in message
    assert f"{key}: '' is not " in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_sinks_path_is_not_empty(kind: str) -> None:
    assert "sink 1.path" in refusal({"sink": [{"kind": kind, "path": ""}]})


@pytest.mark.parametrize("table", ["rule", "sink"])
def test_an_unknown_key_of_any_table_is_refused(table: str) -> None:
    kinds = KINDS if table == "sink" else (None,)
    for kind in kinds:
        entry = {"label": "Dog"} if kind is None else {"kind": kind, "path": "a"}
        message = refusal({table: [{**entry, "colour": "red"}]})
        assert "colour" in message
        assert f"{table} 1" in message


def test_text_is_read_as_numbers_only_where_it_is_asked_for() -> None:
    texts = {"threshold": "0.25", "top": "7", "demo": "true", "confirm": ["2", "3"]}
    config = convert(texts, "the environment", strict=False)
    assert (config.threshold, config.top, config.demo, config.confirm) == (0.25, 7, True, (2, 3))
    assert "threshold" in refusal(texts)


# --- The JSON Schema ----------------------------------------------------------------------------


def test_the_json_schema_that_ships_is_this_one() -> None:
    """`livetag config schema >config/livetag.schema.json` writes it anew."""
    shipped = json.loads((PRESETS_DIR / "livetag.schema.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(json_schema()))


@pytest.mark.parametrize("path", sorted(PRESETS_DIR.glob("*.toml")), ids=lambda path: path.stem)
def test_an_editor_finds_the_json_schema_beside_each_preset(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#:schema ./")
    assert (path.parent / first.removeprefix("#:schema ")).is_file()


def test_the_json_schema_is_plain_json_and_has_every_key_and_no_other() -> None:
    whole = json.loads(json.dumps(json_schema()))
    config = whole["$defs"][whole["$ref"].rpartition("/")[2]]
    assert set(config["properties"]) == set(KEYS)
    assert config["additionalProperties"] is False
    assert not config.get("required")


def test_the_json_schema_has_the_ranges() -> None:
    threshold = schema_of("threshold")
    assert (threshold["exclusiveMinimum"], threshold["maximum"]) == (0, 1)
    assert schema_of("hold_seconds")["minimum"] == 0
    (confirm,) = kinds_of(schema_of("confirm"))
    assert confirm["minItems"] == confirm["maxItems"] == 2
    sure = schema_of("sure")
    assert (sure["exclusiveMinimum"], sure["maximum"]) == (0, 1)


def test_the_json_schema_has_the_tables_strict_too() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["Rule"]["additionalProperties"] is False
    assert set(definitions["Rule"]["properties"]) == set(schema.Rule.__struct_fields__)
    for kind in get_args(schema.SinkTable):
        table = definitions[kind.__name__]
        assert table["additionalProperties"] is False
        assert table["properties"]["kind"]["enum"] == [kind.__struct_config__.tag]
        assert "kind" in table["required"]


def test_every_reference_in_the_json_schema_leads_somewhere() -> None:
    text = json.dumps(json_schema())
    references = set(re.findall(r'"#/\$defs/(\w+)"', text))
    assert references == set(json_schema()["$defs"])


def test_the_json_schema_takes_what_livetag_takes_and_refuses_what_it_refuses() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    presets = [tomllib.loads(path.read_text("utf-8")) for path in PRESETS_DIR.glob("*.toml")]
    for values in (*presets, FULL, {}):
        assert list(validator.iter_errors(values)) == []
    for wrong in ({"threshold": 2}, {"rule": [{"treshold": 1}]}, {"sink": [{"path": "a"}]}):
        assert list(validator.iter_errors(wrong))
