"""`livetag scan`: what is heard in an archive of recordings."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.commands.base import load_settings, ready_model, say, stderr
from livetag.errors import InputError, UsageError
from livetag.text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from livetag.scan.job import Job
    from livetag.scan.listing import Recording
    from livetag.scan.processes import Starter
    from livetag.scan.progress import Tally
    from livetag.scan.scan import Engine
    from livetag.schema import Config
    from livetag.yamnet.compile import CompiledModel

_SETTINGS = ("config", "patch_hop_seconds", "threshold", "alert", "since", "weights")
"""The options that are settings of the monitor, too."""
_USUAL_FLOOR = 0.1
_ROWS = {"events": "events", "windows": "scores of windows", "embeddings": "embeddings"}


def run(options: argparse.Namespace) -> int:
    """Scan what is not done yet; exit code 3 where recordings could not be read."""
    from livetag.scan.processes import forked
    from livetag.signals import interrupt_when_hung_up

    if (options.engine == "dask") != (options.scheduler is not None):
        raise UsageError("--engine dask needs --scheduler ADDRESS, and nothing else does")
    if options.floor is not None and options.product != "windows":
        raise UsageError("--floor is the lowest score of --windows, and of nothing else")
    interrupt_when_hung_up()
    # Before this process imports what it needs itself.
    starter = forked() if options.scheduler is None else None
    from livetag.scan.listing import list_recordings
    from livetag.scan.output import output_at
    from livetag.scan.progress import ProgressBar, Tally
    from livetag.scan.remote import filesystem, is_address
    from livetag.scan.scan import Scan
    from livetag.yamnet.runtime import check_runs

    console = stderr()
    tell = partial(say, console)
    config = _config(options, tell)
    if options.scheduler is None:
        check_runs(options.precision)
    else:
        from livetag.scan.cluster import check_installed

        check_installed()
    job = _job(options, config)  # what cannot be is told before a model is fetched
    recordings = list_recordings(options.paths, options.list, tell)
    if is_address(options.output):
        filesystem(options.output)
    if options.scheduler is not None:
        _check_reach([options.output, *(recording.path for recording in recordings)])
    weights = None if config.weights is None else Path(config.weights)
    model = ready_model(weights, console, options.precision)
    job = replace(job, model_sha256=model.report.sha256)
    tally = Tally()
    with Scan(job, recordings, output_at(options.output, job)) as scan:
        if scan.done:
            tell(f"already done: {scan.done:,} of {counted(len(recordings), 'recording')}")
        try:
            with (
                ProgressBar(console, scan.left) as bar,
                _engine(options, job, model, starter) as engine,
            ):
                for report in scan.run(engine):
                    tally.count(report)
                    bar.show(tally)
        except KeyboardInterrupt:
            done = f"{scan.done:,} of {len(recordings):,} recordings are done"
            tell(f"{done}; the same command does the others, each from its start")
            raise
        scan.finish()
    return _concluded(tell, job, recordings, tally, scan.state)


def _config(options: argparse.Namespace, tell: "Callable[[str], None]") -> "Config":
    settings = {key: value for key, value in vars(options).items() if key in _SETTINGS}
    loaded = load_settings(argparse.Namespace(**settings))
    for message in loaded.ignored:
        tell(message)
    return loaded.config


def _job(options: argparse.Namespace, config: "Config") -> "Job":
    """What the options ask for, but for the model."""
    from livetag.config import began_at
    from livetag.scan.job import Job
    from livetag.scan.output import form_of

    return Job(
        product=options.product,
        form=form_of(options.output, options.product, options.format),
        config=config,
        model_sha256="",
        floor=_USUAL_FLOOR if options.floor is None else options.floor,
        began=began_at(config),
        annotations=tuple(dict.fromkeys(options.annotations)),
        replace=options.force,
        precision=options.precision,
    )


def _check_reach(paths: list[str]) -> None:
    """Raise `UsageError` where a path means another file to a worker elsewhere."""
    from livetag.scan.remote import is_address

    relative = [path for path in paths if not is_address(path) and not Path(path).is_absolute()]
    if relative:
        raise UsageError(
            f"{relative[0]}: the workers of a cluster are in folders of their own: name recordings "
            "and output by absolute paths, or by addresses"
        )


def _engine(
    options: argparse.Namespace, job: "Job", model: "CompiledModel", starter: "Starter | None"
) -> "AbstractContextManager[Engine]":
    from livetag.scan.pool import Pool, default_workers
    from livetag.scan.worker import RecordingWork

    if options.scheduler is None:
        workers = options.workers or default_workers()
        return Pool(RecordingWork(job, model.path), workers, starter)
    from livetag.scan.cluster import Cluster

    return Cluster(RecordingWork(job, model.content), options.scheduler)


def _concluded(
    tell: "Callable[[str], None]",
    job: "Job",
    recordings: "Sequence[Recording]",
    tally: "Tally",
    state: Path | str,
) -> int:
    """Say what was done, what could not be, and what would be tried again; the exit code."""
    rows = f"{tally.rows:,} {_ROWS[job.product]}"
    tell(f"{counted(tally.done, 'recording')} scanned, {tally.audio}: {rows}")
    if not tally.broken:
        return 0
    tell(f"{counted(len(tally.broken), 'recording')} could not be scanned:")
    order = {recording: at for at, recording in enumerate(recordings)}
    for broken in sorted(tally.broken, key=lambda broken: order[broken.recording]):
        tell(printable(broken.reason))
    them = "it" if len(tally.broken) == 1 else "them"
    tell(f"the same command tries {them} again, and nothing else: {state} knows what is done")
    return InputError.exit_code
