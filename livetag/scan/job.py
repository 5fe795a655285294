"""What a scan is to produce: everything that its results depend on but the recordings."""

import json
from dataclasses import dataclass
from typing import Any

from livetag.errors import UsageError
from livetag.rules import Rules, resolve
from livetag.scan import npz, parquet, text_tables
from livetag.scan.tables import COLUMNS, Column, Product, Table
from livetag.schema import Config, as_builtins
from livetag.version import __version__
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params
from livetag.yamnet.precision import Precision

FORMATS: dict[str, type[Table]] = {
    "csv": text_tables.CsvTable,
    "jsonl": text_tables.JsonTable,
    "parquet": parquet.ParquetTable,
    "npz": npz.NpzTable,
}
"""By the ending of a result."""
_EMBEDDING_FORMS = ("npz", "parquet")
_TABLE_FORMS = ("csv", "jsonl", "parquet")
_DECIDES_EVENTS = (
    "threshold",
    "release",
    "confirm",
    "sure",
    "short",
    "short_threshold",
    "hold_seconds",
    "max_seconds",
    "cooldown_seconds",
    "unless",
    "min_level_dbfs",
    "hours",
    "alert",
    "watch",
    "ignore",
    "groups",
    "rule",
)
"""The keys of the configuration that events depend on, beside the hop."""


@dataclass(frozen=True)
class Job:
    """A scan's product, its rules, its form; it goes to workers as it is.

    `floor`: the lowest score of a window's that is kept. `began`: the UNIX time at which each
    recording begins, for rules that look at the hour. `annotations`: which of `raven` and
    `audacity` are written beside each recording; `replace`: also where there is another one.
    """

    product: Product
    form: str
    config: Config
    model_sha256: str
    floor: float = 0.0
    began: float | None = None
    annotations: tuple[str, ...] = ()
    replace: bool = False
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Raises `UsageError` for what cannot be."""
        rules, _ = self.rules, self.params
        forms = _EMBEDDING_FORMS if self.product == "embeddings" else _TABLE_FORMS
        if self.form not in forms:
            raise UsageError(f"{self.product} go to {' or '.join(forms)}, and not to {self.form}")
        if self.form == "parquet":
            parquet.check_installed()
        rules.check_dated(self.began)

    @property
    def params(self) -> Params:
        return Params(patch_hop_seconds=self.config.patch_hop_seconds)

    @property
    def rules(self) -> Rules:
        return resolve(self.config, class_map())

    @property
    def columns(self) -> tuple[Column, ...]:
        return COLUMNS[self.product]

    @property
    def table(self) -> type[Table]:
        return FORMATS[self.form]

    def described(self) -> dict[str, Any]:
        """What has to be the same for a later scan to go on with this one's parts."""
        told = {
            "livetag": __version__,
            "model": self.model_sha256,
            "precision": self.precision,
            "product": self.product,
            "form": self.form,
            "hop": self.config.patch_hop_seconds,
        }
        if self.product == "windows":
            told["floor"] = self.floor
        if self.product == "events" or self.annotations:
            settings = as_builtins(self.config)
            told |= {key: settings[key] for key in _DECIDES_EVENTS}
            told["began"] = self.began
        told |= {f"{annotation} beside": True for annotation in self.annotations}
        return dict(json.loads(json.dumps(told)))  # as it is read again
