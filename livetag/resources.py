"""Where the files that ship with livetag are, and where the user's cache is.

The class map and the presets stand once in the source tree, at its top level. A wheel carries
them in `livetag/data`; an editable install reads them where they stand.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_WHEEL_DATA = _PACKAGE / "data"
DATA_DIR = _WHEEL_DATA if _WHEEL_DATA.is_dir() else _PACKAGE.parent

CLASS_MAP_PATH = DATA_DIR / "yamnet_class_map.csv"
PRESETS_DIR = DATA_DIR / "config"
ASSETS_DIR = _PACKAGE / "assets"


def cache_dir() -> Path:
    r"""The folder for weights and compiled models, as the operating system wants it.

    Linux `~/.cache/livetag`, macOS `~/Library/Caches/livetag`, Windows
    `%LOCALAPPDATA%\livetag\Cache`; `LIVETAG_CACHE_DIR` overrides them.
    """
    import platformdirs

    override = os.environ.get("LIVETAG_CACHE_DIR")
    return Path(override) if override else platformdirs.user_cache_path("livetag", False)


def history_path() -> Path:
    r"""Where the history is kept, unless the user names another file.

    Linux `~/.local/share/livetag/history.sqlite`, macOS `~/Library/Application Support/livetag`,
    Windows `%LOCALAPPDATA%\livetag`.
    """
    import platformdirs

    return platformdirs.user_data_path("livetag", False) / "history.sqlite"
