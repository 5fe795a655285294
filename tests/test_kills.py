"""A monitor that is killed leaves files that open and hold what it printed; a few of many tries.

`reliability/kills.py` makes a hundred.
"""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "reliability"))

import kills

SEED = 2
MINUTES = 12
LEAST_LINES = 12


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "demo.wav"
    kills.write_recording(path, MINUTES)
    return path


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("number", range(3))
def test_a_monitor_killed_at_a_random_moment_has_written_what_it_printed(
    number: int, recording: Path
) -> None:
    found = kills.kill(number, SEED, recording, LEAST_LINES)
    assert found.wrong == []
    assert found.events
    assert set(found.outputs) == set(kills.OUTPUTS)
