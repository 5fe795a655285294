"""What the name of an output means: a file or a folder, here or elsewhere, and in which form."""

from pathlib import Path

from livetag.errors import UsageError
from livetag.scan.folder import FileOutput, FolderOutput, Output
from livetag.scan.job import FORMATS, Job
from livetag.scan.remote import is_address
from livetag.scan.remote_output import RemoteOutput
from livetag.scan.tables import Product


def form_of(name: str, product: Product, wanted: str | None = None) -> str:
    """The form that an output's ending says, else the one `wanted`, else the usual one.

    Raises `UsageError` where the two differ, and for `-`.
    """
    if name == "-":
        raise UsageError(
            "- is no output: a scan's results go to a file or a folder, which can go on"
        )
    ending = Path(name).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        return wanted or ("npz" if product == "embeddings" else "csv")
    if wanted not in (None, ending):
        raise UsageError(f"{name} says {ending}, and --format {wanted}: leave one of them out")
    return ending


def output_at(name: str, job: Job) -> Output:
    """One file where the ending is a form's, or else a folder; at an address, a remote one."""
    if is_address(name):
        return RemoteOutput(name, job)
    path = Path(name)
    is_file = path.suffix.lower() == f".{job.form}"
    return FileOutput(path, job) if is_file else FolderOutput(path, job)
