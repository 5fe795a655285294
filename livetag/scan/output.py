"""What the name of an output means: a file or a folder, here or elsewhere, and in which form."""

import os
from pathlib import Path

from livetag.errors import UsageError
from livetag.scan.folder import FileOutput, FolderOutput, Output
from livetag.scan.job import FORMATS, Job
from livetag.scan.remote import is_address
from livetag.scan.remote_output import RemoteOutput
from livetag.scan.tables import Product


def form_of(name: str, product: Product, wanted: str | None = None) -> str:
    """The form that an output's ending says, else the one `wanted`, else the usual one.

    Raises `UsageError` where the two differ, for `-`, and for another ending: who names
    `events.json` wants a file. A folder's name has one where it ends with a slash, or is there, on
    this machine.
    """
    if name == "-":
        raise UsageError(
            "- is no output: a scan's results go to a file or a folder, which can go on"
        )
    ending = _ending(name)
    if ending in FORMATS:
        if wanted not in (None, ending):
            raise UsageError(f"{name} says {ending}, and --format {wanted}: leave one of them out")
        return ending
    is_folder = os.path.isdir(name)  # noqa: PTH112, as a name may be one that no file can have
    if ending.isalpha() and not is_folder:
        raise UsageError(
            f"{name}: a file of results is a .csv, .jsonl, .parquet or .npz; a slash at the end "
            f"({name}/) makes a folder"
        )
    return wanted or ("npz" if product == "embeddings" else "csv")


def output_at(name: str, job: Job) -> Output:
    """One file where the ending is a form's, or else a folder; at an address, a remote one."""
    if is_address(name):
        return RemoteOutput(name, job)
    path = Path(name)
    return FileOutput(path, job) if _ending(name) == job.form else FolderOutput(path, job)


def _ending(name: str) -> str:
    """The ending of a file's name, in small letters; none where a slash makes it a folder's."""
    is_folder = name.endswith(("/", os.sep))
    return "" if is_folder else Path(name).suffix.lower().removeprefix(".")
