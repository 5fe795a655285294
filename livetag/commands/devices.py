"""`livetag devices`: the input devices, the default one marked."""

import argparse

from livetag.errors import InputError


def run(options: argparse.Namespace) -> int:
    """Print a line for each input device."""
    from livetag.audio.portaudio import answered, input_devices

    devices = answered(input_devices)
    if not devices:
        raise InputError("no input device was found")
    width = max(len(device.name) for device in devices)
    for device in devices:
        mark = "*" if device.default else " "
        print(
            f"{mark} {device.index:3}  {device.name:{width}}  {device.rate_hz} Hz  "
            f"{device.channels} ch  {device.host_api}"
        )
    return 0
