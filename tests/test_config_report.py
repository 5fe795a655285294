"""How the configuration in force is printed: a file that says the same, and where it is from."""

import io
import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from livetag.config import Loaded, load
from livetag.config_report import print_config
from livetag.resources import PRESETS_DIR
from livetag.rules import resolve
from livetag.schema import convert
from livetag.yamnet.labels import ClassMap

LONG = [f"Label {number} of a name, that is long enough to fill a line" for number in range(9)]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a short rule": {"rule": [{"label": "Dog"}]},
    "short tables": {
        "rule": [{"label": "Dog"}, {"label": "Cat", "alert": False}],
        "sink": [{"kind": "history"}, {"kind": "csv", "path": "a.csv"}],
    },
    "long tables": {
        "groups": {"many": LONG, "one": LONG[:1]},
        "rule": [
            {"group": "many", "unless": LONG, "hours": "22:00-07:00", "confirm": [2, 3]},
            {"label": LONG[0], "threshold": 0.3, "release": 0.2, "sure": 0.9, "unless": []},
            {"group": "one", "alert": "listed", "min_level_dbfs": -45.5, "max_seconds": 1e-3},
        ],
        "sink": [
            {"kind": "clips", "path": "x" * 300, "labels": LONG, "never_with": LONG},
            *(
                {"kind": kind, "path": kind, "max_megabytes": 0.5, "labels": ["many"]}
                for kind in ("csv", "jsonl", "audacity", "raven", "dcase")
            ),
        ],
    },
    "groups with odd names": {
        "groups": {
            "TV and radio": ["Television"],
            'a "name" = # [x]': ["Dog"],
            "rule": ["Dog", "Cat"],
            "dotted.name": ["Dog"],
            "Vögel 鳥": ["Bird"],
            "two\nlines": ["Dog"],
            "": [],
            "'": ["'", '"', "\\"],
        },
        "rule": [{"group": "two\nlines"}, {"group": "dotted.name"}],
    },
    "plain keys": {
        "input": "a # b.wav",
        "csv": "C:\\logs\\100%%.csv",
        "jsonl": 'a "b"\n\t\u007f.jsonl',
        "history": True,
        "device": None,
        "alert": [*LONG, 'a "b", #c=0.3'],
        "ignore": [],
        "confirm": [2, 3],
        "min_level_dbfs": -150.0,
        "threshold": 0.1 + 0.2,
        "duration_seconds": 1e9,
        "dashboard": False,
    },
    "characters that Python takes for line ends": {"csv": "a\u2028\u0085b.csv"},
}


def printed(loaded: Loaded) -> str:
    out = io.StringIO()
    print_config(loaded, out)
    return out.getvalue()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_is_printed_and_saved_is_the_same_configuration(name: str, tmp_path: Path) -> None:
    config = convert(CONFIGURATIONS[name], name)
    first = printed(Loaded(config, {}, []))
    path = tmp_path / "saved.toml"
    path.write_text(first, encoding="utf-8")
    again = load(str(path), {}, {})
    assert again.config == config
    assert printed(Loaded(again.config, {}, [])) == first


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS_DIR.glob("*.toml")))
def test_a_preset_that_is_printed_and_saved_decides_the_same(
    preset: str, labels: ClassMap, tmp_path: Path
) -> None:
    path = tmp_path / "saved.toml"
    path.write_text(printed(load(preset, {}, {})), encoding="utf-8")
    assert resolve(load(str(path), {}, {}).config, labels).all == (
        resolve(load(preset, {}, {}).config, labels).all
    )


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_tables_are_printed_as_people_write_them(name: str) -> None:
    values = CONFIGURATIONS[name]
    lines = printed(Loaded(convert(values, name), {}, [])).splitlines()
    assert lines.count("[[rule]]") == len(values.get("rule", ()))
    assert lines.count("[[sink]]") == len(values.get("sink", ()))
    assert lines.count("[groups]") == bool(values.get("groups"))
    before = itertools.takewhile(lambda line: not line.startswith("["), lines)
    assert not [line for line in before if line.startswith(("rule = ", "sink = ", "groups = "))]


def test_a_key_of_a_table_that_is_not_set_is_left_out() -> None:
    text = printed(Loaded(convert({"rule": [{"label": "Dog"}]}, "it"), {}, []))
    assert tomllib.loads(text)["rule"] == [{"label": "Dog", "alert": True}]


def test_what_set_tables_stands_above_them_and_what_is_not_set_is_named() -> None:
    values = CONFIGURATIONS["short tables"]
    loaded = Loaded(convert(values, "it"), {"rule": "my.toml"}, [])
    lines = printed(loaded).splitlines()
    assert "# rule: my.toml" in lines
    assert "# sink: default" in lines
    (unset,) = [line for line in lines if line.startswith("# not set: ")]
    assert {"device", "release", "csv"} <= set(unset.removeprefix("# not set: ").split(", "))
