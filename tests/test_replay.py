"""A recording gives the records that the microphone would have given: to the byte.

The same sound goes through the pipeline in whatever blocks, at whatever rate, fast or paced; what
is printed as JSON is compared.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from running import run

from livetag.config import load
from livetag.detector import Detector
from livetag.events import AudioBlock, FloatArray
from livetag.pipeline import analyze
from livetag.rules import Rules, resolve
from livetag.schema import convert
from livetag.sinks.console import ConsoleSink
from livetag.sources.base import BLOCK_SECONDS
from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

SECONDS = 30
BEGAN_AT = "2026-11-22T07:59:58"
BEGAN = datetime.fromisoformat(BEGAN_AT).timestamp()
EVERYTHING: dict[str, Any] = {
    "threshold": 0.4,
    "release": 0.25,
    "confirm": (1, 2),
    "short": ("Doorbell", "Ding-dong"),
    "hold_seconds": 0.6,
    "max_seconds": 100.0,
    "cooldown_seconds": 2.5,
    "alert": ("Doorbell=0.5", "Bird"),
    "ignore": ("Animal",),
    "groups": {
        "alarms": ["Smoke detector, smoke alarm", "Fire alarm", "Alarm", "Siren"],
        "quiet": ["Silence"],
    },
    "rule": (
        {"group": "alarms", "confirm": (2, 3), "max_seconds": 2.0, "threshold": 0.3},
        {"label": "Speech", "hours": "08:00-20:00", "hold_seconds": 0.0},
        {"label": "Ding-dong", "unless": ["Doorbell"], "alert": True},
        {"label": "Silence", "min_level_dbfs": -100.0, "alert": False, "release": 0.4},
        {"label": "Vehicle", "min_level_dbfs": -10.0, "threshold": 0.2, "release": 0.1},
    ),
}
"""Rules that use all that rules can do, and that the demo's sounds bring to bear."""

Sizes = Iterable[int]


@pytest.fixture(scope="module")
def sound() -> FloatArray:
    """Half a minute of the demo, float32 at 16 kHz: a voice, alarms, a doorbell, a bird."""
    samples = np.concatenate(list(islice(demo_chunks(), 20 * SECONDS)))
    return samples[: SECONDS * RATE_HZ]


def at_rate(sound: FloatArray, rate_hz: int) -> FloatArray:
    if rate_hz == RATE_HZ:
        return sound
    samples: FloatArray = soxr.resample(sound, RATE_HZ, rate_hz, quality="HQ")
    return samples


def sizes_of(manner: str, samples: int, rate_hz: int) -> list[int]:
    """How many samples each block gets; the last one what remains."""
    block = round(rate_hz * BLOCK_SECONDS)
    match manner:
        case "one block":
            sizes: list[int] = []
        case "file":
            sizes = [block] * (samples // block)
        case "microphone":
            sizes = [1_283] * (samples // 1_283)
        case "single samples":
            sizes = [1] * (rate_hz // 3) + [block] * (samples // block)
        case "any":
            random = np.random.default_rng(6)
            sizes = random.choice([1, 7, 160, 512, 1_024, 4_800, 20_000], 2_000).tolist()
    return sizes


def in_blocks(
    samples: FloatArray, sizes: Sequence[int], began: float = BEGAN
) -> Iterator[AudioBlock]:
    ends = [min(end, len(samples)) for end in accumulate(sizes)] + [len(samples)]
    begin = 0
    for end in ends:
        if end > begin:
            yield AudioBlock(samples[begin:end], begin, wall_time=None if begin else began)
        begin = end


def rules_of(**values: Any) -> Rules:
    return resolve(convert(EVERYTHING | values, "the test"), class_map())


def printed(
    blocks: Iterable[AudioBlock],
    rate_hz: int,
    classifier: LiteRTClassifier,
    rules: Rules,
    hop_seconds: float = 0.48,
    source: str = "a source",
) -> str:
    """What the monitor prints with `--json` when it hears these blocks."""
    params = Params(patch_hop_seconds=hop_seconds)
    out = io.StringIO()
    sink = ConsoleSink(out, source, as_json=True)
    for item in analyze(blocks, rate_hz, classifier, Detector(rules, params), params):
        if isinstance(item, sink.takes):
            sink.write(item)
    sink.close()
    return out.getvalue()


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def without_clock(text: str) -> list[dict[str, Any]]:
    """The records without what the wall clock says."""
    clock = {"time", "end_time", "alert_time"}
    return [{k: v for k, v in one.items() if k not in clock} for one in objects(text)]


# --- In whatever blocks -------------------------------------------------------------------------


def test_the_rules_of_these_tests_do_all_that_rules_can(
    sound: FloatArray, classifier: LiteRTClassifier
) -> None:
    """Otherwise the tests below would show less than they seem to."""
    records = objects(printed(in_blocks(sound, []), RATE_HZ, classifier, rules_of()))
    kinds = [record["type"] for record in records]
    assert {"event_start", "event_alert", "event_end"} == set(kinds)
    assert kinds.count("event_start") == kinds.count("event_end") >= 12
    withheld = " ".join(record.get("withheld", "") for record in records)
    for reason in ("outside", "while", "cooldown"):
        assert reason in withheld
    alarms = [one for one in records if one.get("group") and one["type"] == "event_end"]
    assert len({one["label"] for one in alarms}) >= 2
    cut = [one["end_s"] for one in alarms if one["end_s"] in [other["start_s"] for other in alarms]]
    assert cut
    assert "Animal" not in {record["label"] for record in records}


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("manner", ["file", "microphone", "single samples", "any"])
def test_records_are_the_same_in_whatever_blocks_the_sound_comes(
    manner: str, rate_hz: int, sound: FloatArray, classifier: LiteRTClassifier
) -> None:
    samples = at_rate(sound, rate_hz)
    whole = printed(in_blocks(samples, []), rate_hz, classifier, rules_of())
    sizes = sizes_of(manner, len(samples), rate_hz)
    assert len(sizes) > 300
    assert printed(in_blocks(samples, sizes), rate_hz, classifier, rules_of()) == whole


@pytest.mark.parametrize("hop_seconds", [0.1, 0.96])
def test_records_are_the_same_with_another_hop(
    hop_seconds: float, sound: FloatArray, classifier: LiteRTClassifier
) -> None:
    samples = at_rate(sound[: 12 * RATE_HZ], 44_100)
    texts = {
        printed(in_blocks(samples, sizes), 44_100, classifier, rules_of(), hop_seconds)
        for sizes in ([], sizes_of("microphone", len(samples), 44_100))
    }
    (text,) = texts
    assert len(objects(text)) >= 4


def test_another_clock_changes_the_times_and_nothing_else(
    sound: FloatArray, classifier: LiteRTClassifier
) -> None:
    rules = rules_of(rule=[rule for rule in EVERYTHING["rule"] if "hours" not in rule])
    sizes = sizes_of("microphone", len(sound), RATE_HZ)
    ours = printed(in_blocks(sound, sizes), RATE_HZ, classifier, rules)
    theirs = printed(in_blocks(sound, [], BEGAN + 86_400.25), RATE_HZ, classifier, rules)
    assert ours != theirs
    assert without_clock(ours) == without_clock(theirs)


def test_a_clock_that_is_set_right_on_the_way_changes_the_times_and_nothing_else(
    sound: FloatArray, classifier: LiteRTClassifier
) -> None:
    """The microphone's may be: a block then brings the time anew."""
    rules = rules_of(rule=[rule for rule in EVERYTHING["rule"] if "hours" not in rule])
    blocks = list(in_blocks(sound, sizes_of("microphone", len(sound), RATE_HZ)))
    middle = blocks[len(blocks) // 2]
    blocks[len(blocks) // 2] = AudioBlock(
        middle.samples, middle.first_sample, wall_time=BEGAN + 9_000.0
    )
    ours = printed(blocks, RATE_HZ, classifier, rules)
    theirs = printed(in_blocks(sound, []), RATE_HZ, classifier, rules)
    assert ours != theirs
    assert without_clock(ours) == without_clock(theirs)


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_records_are_the_same_around_a_gap(
    rate_hz: int, sound: FloatArray, classifier: LiteRTClassifier
) -> None:
    samples = at_rate(sound, rate_hz)
    at, lost = 11 * rate_hz + 123, rate_hz // 3  # in the middle of an alarm

    def blocks(manner: str) -> Iterator[AudioBlock]:
        yield from in_blocks(samples[:at], sizes_of(manner, at, rate_hz))
        rest = samples[at + lost :]
        for block in in_blocks(rest, sizes_of(manner, len(rest), rate_hz)):
            first = block.first_sample + at + lost
            begins = block.first_sample == 0
            yield AudioBlock(
                block.samples, first, lost if begins else 0, "overflow" if begins else ""
            )

    texts = [
        printed(blocks(manner), rate_hz, classifier, rules_of())
        for manner in ("one block", "microphone", "any")
    ]
    assert texts[0] == texts[1] == texts[2]
    records = objects(texts[0])
    assert [one["lost_seconds"] for one in records if one["type"] == "gap"] == [0.333]


# --- The command --------------------------------------------------------------------------------


@pytest.fixture
def recording(sound: FloatArray, tmp_path: Path) -> Path:
    """Half a minute at 44.1 kHz, 16 bits."""
    path = tmp_path / "night.wav"
    soundfile.write(path, np.clip(at_rate(sound, 44_100), -1.0, 1.0), 44_100, subtype="PCM_16")
    return path


def replayed(*arguments: str) -> bytes:
    done = run("monitor", "--json", "--since", BEGAN_AT, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.usefixtures("compiled")
def test_a_recording_that_is_replayed_twice_gives_the_same_bytes(recording: Path) -> None:
    arguments = ("--input", str(recording), "--fast")
    first = replayed(*arguments)
    assert first.count(b"\n") >= 8
    assert replayed(*arguments) == first


def test_the_command_prints_what_a_microphone_would_have_given(
    recording: Path, compiled: CompiledModel
) -> None:
    samples, rate_hz = soundfile.read(recording, dtype="float32")
    expected = printed(
        in_blocks(samples, sizes_of("microphone", len(samples), rate_hz)),
        rate_hz,
        LiteRTClassifier(compiled.content),
        resolve(load(None, {}, {}).config, class_map()),
        hop_seconds=load(None, {}, {}).config.patch_hop_seconds,
        source=recording.name,
    )
    assert replayed("--input", str(recording), "--fast").decode() == expected


@pytest.mark.usefixtures("compiled")
def test_a_replay_at_its_own_pace_gives_what_a_fast_one_gives(
    sound: FloatArray, tmp_path: Path
) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, sound[5 * RATE_HZ : 8 * RATE_HZ], RATE_HZ)  # a voice, and silence
    paced = replayed("--input", str(path))
    assert b"Speech" in paced
    assert replayed("--input", str(path), "--fast") == paced
