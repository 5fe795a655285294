"""PortAudio's room: which device, how it is found again, and calls that hang."""

import contextlib
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest
from fake_portaudio import RATE_HZ, FakePortAudio, install

from livetag.audio.portaudio import (
    Device,
    HangsError,
    answered,
    default_elsewhere,
    devices_elsewhere,
    find_again,
    find_device,
    input_devices,
    open_stream,
    restart,
    version,
)
from livetag.cli import main
from livetag.errors import InputError


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    return install(monkeypatch)


def listed(*names: str, default: int | None = None) -> list[Device]:
    return [
        Device(index, name, "API", 1, RATE_HZ, index == default) for index, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 1),
        ("0", 0),
        ("usb", 2),
        (" Studio ", 2),
        ("built-in", 0),
        ("Mic 2", 1),  # its whole name; a part of another's
    ],
)
def test_a_device_is_chosen_by_index_or_by_any_part_of_its_name(
    wanted: str | None, index: int
) -> None:
    devices = listed("Built-in", "Mic 2", "USB Studio Mic 2", default=1)
    assert find_device(wanted, devices).index == index


def test_a_number_is_an_index_even_where_names_hold_it() -> None:
    assert find_device("1", listed("Mic 1", "Mic 2")).index == 1


@pytest.mark.parametrize(
    ("wanted", "what"),
    [("usb", "several input devices match 'usb'"), ("7", "no input device matches '7'")],
)
def test_none_or_several_devices_is_an_error_that_lists_the_choices(wanted: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        find_device(wanted, listed("Built-in", "USB one", "USB two"))
    assert what in str(caught.value)
    for line in ("0  Built-in", "1  USB one", "2  USB two"):
        assert line in str(caught.value)


def test_without_a_default_device_the_choices_are_listed() -> None:
    with pytest.raises(InputError, match=r"device=\):\n  0  Built-in"):
        find_device(None, listed("Built-in"))


def test_without_any_device_the_demo_is_named_but_not_started() -> None:
    with pytest.raises(InputError, match=r"no microphone was found.*--demo") as caught:
        find_device(None, [])
    assert caught.value.exit_code == 3


def test_devices_that_cannot_record_are_no_choice(portaudio: FakePortAudio) -> None:
    portaudio.api_default = [2]
    assert input_devices() == [
        Device(0, "Built-in", "API 0", 1, RATE_HZ, default=False),
        Device(2, "USB Mic", "API 0", 2, RATE_HZ, default=True),
    ]


def test_a_default_that_sounddevice_was_given_counts_first(portaudio: FakePortAudio) -> None:
    portaudio.set_default = 2
    assert [found.index for found in input_devices() if found.default] == [2]


def test_the_default_is_that_of_the_first_system_that_has_one(portaudio: FakePortAudio) -> None:
    """PortAudio lists its sound systems; the first may have no input at all."""
    portaudio.api_default = [-1, 2]
    assert [found.index for found in input_devices() if found.default] == [2]


def test_without_portaudio_the_package_to_install_is_named_and_the_exit_code_is_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class NoPortAudio:
        """Python's import machinery asks it for `sounddevice`."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    for command in (["devices"], ["monitor", "--device", "0"]):
        assert main(command) == 3
        told = capsys.readouterr()
        assert told.out == ""
        assert "libportaudio2" in told.err
        assert "Traceback" not in told.err


# --- Found again --------------------------------------------------------------------------------


KNOWN = Device(2, "USB Mic: Audio (hw:1,0)", "ALSA", 1, RATE_HZ, default=False)


def again(wanted: str | None, *devices: Device) -> int:
    return find_again(wanted, KNOWN, list(devices)).index


def named(index: int, name: str, api: str = "ALSA", default: bool = False) -> Device:
    return Device(index, name, api, 1, RATE_HZ, default)


def test_a_device_is_found_again_under_another_index() -> None:
    moved = named(5, "USB Mic: Audio (hw:1,0)")
    assert again("usb", named(2, "Webcam: USB (hw:2,0)"), moved) == 5
    assert again("2", named(2, "Webcam: USB (hw:2,0)"), moved) == 5


def test_a_device_is_found_again_at_another_address() -> None:
    assert again("usb", named(0, "PCH (hw:0,0)"), named(1, "USB Mic: Audio (hw:3,0)")) == 1


def test_of_one_name_in_two_systems_it_is_that_of_the_same_system() -> None:
    name = "USB Mic: Audio (hw:1,0)"
    assert again("usb", named(0, name, "JACK"), named(1, name)) == 1


def test_a_device_with_another_name_is_what_was_wanted_of_it() -> None:
    assert again("usb", named(0, "PCH (hw:0,0)"), named(1, "Another USB microphone")) == 1


def test_of_twins_it_is_the_one_that_is_where_it_was() -> None:
    twin = named(1, KNOWN.name)
    assert again("2", twin, KNOWN) == 2
    with pytest.raises(InputError, match="is not there, or not where it was"):
        again("2", twin, named(3, KNOWN.name))


def test_an_index_is_not_taken_for_the_device_that_has_it_now() -> None:
    with pytest.raises(InputError, match=r"'USB Mic: Audio \(hw:1,0\)' is not there"):
        again("2", named(2, "Webcam (hw:2,0)"))


def test_where_none_was_named_it_is_the_default_of_now() -> None:
    known = named(2, "USB Mic: Audio (hw:1,0)")
    assert again(None, known, named(3, "Headset", default=True)) == 3


def test_another_process_tells_which_device_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text(
        "from types import SimpleNamespace\n"
        "default = SimpleNamespace(device=[0, 0])\n"
        "query_hostapis = lambda index: {'name': 'API'}\n"
        "query_devices = lambda: [{'index': 0, 'name': 'Headset ', 'hostapi': 0,"
        " 'max_input_channels': 1, 'default_samplerate': 16000.0}]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert default_elsewhere() == "Headset "  # as it is: Windows cuts names, at blanks, too
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    assert default_elsewhere() is None


def test_another_process_runs_nothing_from_the_folder_that_we_are_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("open('was_run', 'w')\n")
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(InputError):
        devices_elsewhere()
    assert not (tmp_path / "was_run").exists()


def test_names_that_are_no_text_and_errors_of_portaudio_s_are_told(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [
        portaudio.PortAudioError("Error querying device", -1),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ]
    for error in errors:

        def fail(error: Exception = error) -> NoReturn:
            raise error

        monkeypatch.setattr(portaudio, "query_devices", fail)
        with pytest.raises(InputError, match="PortAudio cannot list the devices"):
            input_devices()


# --- Starting, opening, hanging -----------------------------------------------------------------


def test_a_restart_sees_what_was_plugged_in_since(portaudio: FakePortAudio) -> None:
    restart()
    assert (portaudio.restarts, portaudio._initialized) == (1, 1)
    assert version() == "PortAudio of the tests"


def test_a_stream_that_does_not_start_is_closed_and_an_error(portaudio: FakePortAudio) -> None:
    portaudio.refused_rates = {44_100}
    usb = input_devices()[1]
    with pytest.raises(InputError, match=r"'USB Mic' cannot be opened \(Invalid sample rate\)"):
        open_stream(usb, 44_100, 1, lambda *_: None, lambda: None)
    assert portaudio.stream.closed


def test_a_call_s_result_and_its_error_come_out() -> None:
    assert answered(lambda: 3) == 3
    with pytest.raises(InputError, match="no such thing"):
        answered(lambda: (_ for _ in ()).throw(InputError("no such thing")))


def test_a_call_that_hangs_is_left_behind(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[object] = []
    monkeypatch.setattr("atexit.unregister", forgotten.append)
    never = threading.Event()
    try:
        with pytest.raises(HangsError, match="the sound server does not answer") as caught:
            answered(never.wait, 0.01)
    finally:
        never.set()
    assert caught.value.exit_code == 3
    assert forgotten == [portaudio._exit_handler]  # which would hang as Python ends
