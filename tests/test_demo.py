"""The demo: a minute, the same each time, of sounds that the published model hears as they are."""

import threading

import numpy as np
import pytest

from livetag.audio.reader import AudioReader
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.demo import DemoSource, demo_chunks
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, Sound, demo_sounds
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.features import log_mel_spectrogram, patches
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params


@pytest.fixture(scope="module")
def stretches() -> list[Sound]:
    with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
        assert (reader.rate_hz, reader.channels) == (RATE_HZ, 1)
        speech = np.concatenate(list(reader.blocks(RATE_HZ)))
    return list(demo_sounds(speech))


@pytest.fixture(scope="module")
def minute(stretches: list[Sound]) -> FloatArray:
    return np.concatenate([stretch.samples for stretch in stretches])


def test_the_demo_lasts_a_minute_and_does_not_clip(minute: FloatArray) -> None:
    assert len(minute) == 60 * RATE_HZ
    assert minute.dtype == np.float32
    assert np.abs(minute).max() < 0.95


def test_the_source_plays_that_minute_each_time(minute: FloatArray) -> None:
    assert np.array_equal(np.concatenate(list(demo_chunks())), minute)
    with DemoSource(fast=True) as source:
        assert (source.name, source.rate_hz, source.failure) == ("demo", RATE_HZ, None)
        blocks = list(source.blocks(threading.Event()))
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), minute)
    ends = np.cumsum([len(block.samples) for block in blocks]).tolist()
    assert [block.first_sample for block in blocks] == [0, *ends[:-1]]
    assert not source.live  # it waits for whoever is slow


def test_the_demo_is_dated_as_it_is_told() -> None:
    with DemoSource(fast=True, began=1_234.5) as source:
        first, second, *_ = source.blocks(threading.Event())
    assert (first.wall_time, second.wall_time) == (1_234.5, None)


def test_the_speech_ends_before_its_stretch_does(stretches: list[Sound]) -> None:
    speech = stretches[0].samples
    assert np.abs(speech[: 5 * RATE_HZ]).max() > 0.1
    assert np.abs(speech[-RATE_HZ // 4 :]).max() < 0.01


def test_the_model_hears_each_sound_for_what_it_is(
    stretches: list[Sound],
    minute: FloatArray,
    labels: ClassMap,
    classifier: LiteRTClassifier,
) -> None:
    """The windows are those of the whole minute, as the monitor hears it."""
    params = Params()
    windows = patches(log_mel_spectrogram(minute, params), params)
    scores = np.stack([classifier(patch).scores for patch in windows])
    starts = np.arange(len(scores)) * params.patch_hop_samples
    heard = {}
    begin = 0
    for number, stretch in enumerate(stretches):
        end = begin + len(stretch.samples)
        within = (starts >= begin) & (starts + params.window_samples <= end)
        expected = [labels.find(name).index for name in stretch.expects]
        heard[f"{number} {stretch.name}"] = float(scores[within][:, expected].max())
        begin = end
    assert {name: peak for name, peak in heard.items() if peak < 0.8} == {}


def test_the_demo_shows_an_alarm_and_much_else(stretches: list[Sound]) -> None:
    names = [stretch.name for stretch in stretches]
    assert {"speech", "silence", "smoke alarm", "doorbell", "siren", "telephone"} <= set(names)
    assert len(set(names)) >= 10
