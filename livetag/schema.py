"""What a configuration may say: strict, typed, frozen. `config/default.toml` explains each key.

A wrong type and a value out of range are a `UsageError` that names the key and where it stands.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from livetag import schema_words
from livetag.errors import UsageError
from livetag.text import printable

DEFAULT_ALERTS = (
    "Smoke detector, smoke alarm",
    "Fire alarm",
    "Siren",
    "Glass",
    "Shatter=0.4",
    "Baby cry, infant cry",
    "Dog",
    "Doorbell",
    "Knock",
    "Screaming",
    "Telephone",
    "Gunshot, gunfire",
)
SHORT_SOUNDS = (
    "Glass",
    "Shatter",
    "Smash, crash",
    "Breaking",
    "Gunshot, gunfire",
    "Explosion",
    "Knock",
    "Slam",
    "Thump, thud",
    "Clapping",
    "Finger snapping",
    "Cough",
    "Sneeze",
)

# The bounds are far beyond any use; without them, a file could ask for more memory, threads or
# lines on the screen than there are. A path with a null character no system takes.
Text = Annotated[str, Meta(min_length=1, max_length=4_096, pattern=r"^[^\x00]*$")]
_MOST_NAME_CHARACTERS = 256
Name = Annotated[str, Meta(max_length=_MOST_NAME_CHARACTERS)]
Names = tuple[Name, ...]
Score = Annotated[float, Meta(gt=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]
Megabytes = Annotated[float, Meta(gt=0.0, le=1e6)]
Dbfs = Annotated[float, Meta(ge=-150.0, le=0.0)]
Confirm = tuple[Annotated[int, Meta(ge=1, le=100)], Annotated[int, Meta(ge=1, le=100)]]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration."""


class Rule(_Table, frozen=True, kw_only=True):
    """How one class, or one group of classes, is decided on; what is not set is as for all.

    `alert`: its events are alerts, are none, or are where the list of alerts names it ("listed").
    """

    label: Name | None = None
    group: Name | None = None
    alert: bool | Literal["listed"] = True
    threshold: Score | None = None
    release: Score | None = None
    confirm: Confirm | None = None
    sure: Score | None = None
    hold_seconds: Seconds | None = None
    max_seconds: Annotated[float, Meta(gt=0.0, le=86_400.0)] | None = None
    cooldown_seconds: Seconds | None = None
    unless: Names | None = None
    min_level_dbfs: Dbfs | None = None
    hours: Name | None = None


class _Sink(_Table, frozen=True, kw_only=True, tag_field="kind"):
    """What every `[[sink]]` has: which events go there."""

    alerts_only: bool = False
    labels: Names = ()


class TextLog(_Sink, frozen=True, kw_only=True):
    """A text file; `path` may hold strftime's codes, for a new file each day."""

    path: Text
    max_megabytes: Megabytes | None = None


class CsvLog(TextLog, frozen=True, kw_only=True, tag="csv"):
    """One CSV row for each event."""


class JsonLinesLog(TextLog, frozen=True, kw_only=True, tag="jsonl"):
    """One JSON object for each start, late alert, end and gap."""


class AudacityLabels(TextLog, frozen=True, kw_only=True, tag="audacity"):
    """A label track for Audacity."""


class RavenTable(TextLog, frozen=True, kw_only=True, tag="raven"):
    """A selection table for Raven."""


class DcaseList(TextLog, frozen=True, kw_only=True, tag="dcase"):
    """An event list as the DCASE challenges have it."""


class HistoryLog(_Sink, frozen=True, kw_only=True, tag="history"):
    """The SQLite history that `livetag history` reads; without a path, the user's own."""

    path: Text | None = None


class Clips(_Sink, frozen=True, kw_only=True, tag="clips"):
    """The sound of each event, as a file of its own in a folder."""

    path: Text
    alerts_only: bool = True
    format: Literal["flac", "wav"] = "flac"
    pre_roll_seconds: Annotated[float, Meta(ge=0.0, le=60.0)] = 2.0
    post_roll_seconds: Annotated[float, Meta(ge=0.0, le=60.0)] = 2.0
    max_seconds: Annotated[float, Meta(gt=0.0, le=600.0)] = 30.0
    never_with: Names = ()
    never_score: Score = 0.2
    keep_days: Annotated[float, Meta(gt=0.0, le=36_500.0)] = 30.0
    keep_megabytes: Megabytes = 1_000.0


SinkTable = CsvLog | JsonLinesLog | AudacityLabels | RavenTable | DcaseList | HistoryLog | Clips


class Config(_Table, frozen=True, kw_only=True):
    """Every setting of `livetag monitor`."""

    device: Text | int | None = None
    input: Text | None = None
    demo: bool = False
    fast: bool = False
    since: Text | None = None
    rate: Annotated[int, Meta(ge=1_000, le=768_000)] | None = None
    channels: Annotated[int, Meta(ge=1, le=1_024)] = 1
    stall_seconds: Annotated[float, Meta(ge=0.5, le=3_600.0)] = 2.0
    zeros_seconds: Seconds = 30.0
    require_device: Seconds | None = None
    duration_seconds: Annotated[float, Meta(gt=0.0, le=1e9)] | None = None
    patch_hop_seconds: float = 0.48
    threshold: Score = 0.25
    release: Score | None = None
    confirm: Confirm | None = None
    sure: Score = 0.55
    short: Names = SHORT_SOUNDS
    short_threshold: Score = 0.5
    hold_seconds: Seconds = 3.0
    max_seconds: Annotated[float, Meta(gt=0.0, le=86_400.0)] = 600.0
    cooldown_seconds: Seconds = 10.0
    unless: Names = ()
    min_level_dbfs: Dbfs | None = None
    hours: Name | None = None
    alert: Names = DEFAULT_ALERTS
    watch: Names = ()
    ignore: Names = ()
    groups: Annotated[dict[Name, Names], Meta(max_length=1_000)] = {}
    rule: Annotated[tuple[Rule, ...], Meta(max_length=2_000)] = ()
    top: Annotated[int, Meta(ge=1, le=521)] = 10
    dashboard: bool | None = None
    spectrogram: bool = False
    explain: bool = False
    json: bool = False
    csv: Text | None = None
    jsonl: Text | None = None
    audacity: Text | None = None
    raven: Text | None = None
    dcase: Text | None = None
    history: bool | Text = False
    clips: Text | None = None
    sink: Annotated[tuple[SinkTable, ...], Meta(max_length=64)] = ()
    weights: Text | None = None


_FIELDS: dict[str, tuple[str, ...]] = {
    "rule": Rule.__struct_fields__,
    "sink": tuple(
        dict.fromkeys(key for kind in SinkTable.__args__ for key in kind.__struct_fields__)
    ),
}
"""The keys of the tables, for hints."""
_MOST_MESSAGE_CHARACTERS = 500
_TABLE_NUMBER = re.compile(r"(?<=rule|sink)\[(\d+)\]")
KEYS = Config.__struct_fields__
LIST_KEYS = frozenset({"confirm", "short", "unless", "alert", "watch", "ignore"})
"""Keys that hold a plain list."""
TABLE_KEYS = ("groups", "rule", "sink")
"""Keys that hold tables: in a file alone."""


def convert(values: Mapping[str, Any], where: str, strict: bool = True) -> Config:
    """Values as a `Config`, the defaults for what is missing. Raises `UsageError`."""
    for key in values:
        if key not in KEYS:
            raise UsageError(f"{where}: there is no key {key[:80]!r}{_hint(key[:80], KEYS)}")
    try:
        return msgspec.convert(values, Config, strict=strict)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        is_name, path = path.startswith("key"), path.rpartition("$.")[2].rstrip("`")
        key = _TABLE_NUMBER.sub(lambda match: f" {int(match[1]) + 1}", path)
        too_long = f"one of its names has more than {_MOST_NAME_CHARACTERS} characters"
        told = too_long if is_name else _told(message, path, values)
        told = printable(told.replace("`", ""))[:_MOST_MESSAGE_CHARACTERS]
        raise UsageError(f"{where}: {key}: {told}") from error


def _told(message: str, path: str, values: Mapping[str, Any]) -> str:
    """What is wrong at a path: what stands there, and what may; or else what msgspec says."""
    if missing := re.search("missing required field `([^`]+)`", message):
        return f"{missing[1]} is missing"
    if unknown := re.search("unknown field `([^`]+)`", message):
        table = path.partition("[")[0]
        return message + (_hint(unknown[1], _FIELDS[table]) if table in _FIELDS else "")
    if "matching regex" in message:
        return "a null character cannot stand here"
    steps = schema_words.steps(path)
    given = schema_words.given(values, steps) or "what one of them holds"
    return f"{given} is not {schema_words.expected(json_schema(), steps)}"


def _hint(key: str, keys: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, keys, n=1)
    return f": did you mean {near[0]!r}?" if near else f" (there are: {', '.join(keys)})"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors."""
    return msgspec.json.schema(Config)


def replaced(config: Config, values: Mapping[str, Any]) -> Config:
    """A configuration with other values of some keys."""
    return msgspec.structs.replace(config, **values)


def as_builtins(config: Config) -> dict[str, Any]:
    """A configuration as plain dicts, lists, strings and numbers, key by key."""
    values: dict[str, Any] = msgspec.to_builtins(config)
    return values
