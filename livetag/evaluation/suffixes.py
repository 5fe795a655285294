"""What names of files tell: which are recordings, and which name the same one."""

from pathlib import Path, PurePath

from livetag.audio.endings import AUDIO_ENDINGS

LISTS = {".ann", ".csv", ".tsv", ".txt"}


def is_audio(path: Path) -> bool:
    """Whether this is a file that is called as recordings are."""
    return path.suffix.lower() in AUDIO_ENDINGS and not path.name.startswith(".") and path.is_file()


def recording_name(name: str) -> str:
    """A recording's name without its folder, and without the extension of a recording or a list."""
    path = PurePath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in AUDIO_ENDINGS | LISTS else path.name
