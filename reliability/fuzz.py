"""Feeds every reader of files, streams and settings what is broken, and sees that none breaks.

    python reliability/fuzz.py [--runs 20000] [--seed 1] [--keep FOLDER] [READER...]

Good is what is read, or refused by the documented kind of `LivetagError`. Found is anything else:
another exception, a process that ends (a crash in libsndfile, HDF5, SQLite), one that takes more
memory than it may, and a case that takes longer than ten seconds. Cases that found something are
kept in a folder.

Cases are hypothesis'; a seed gives the same ones each time. The readers run in processes of their
own, one after the other, whose address space is limited (Linux, macOS).

Weights livetag reads in a process of their own, which it watches: a crash or an endless loop in
HDF5 or TensorFlow there is counted, and is not a finding.

`model` runs a damaged network on LiteRT; it runs only where it is named. In livetag, the hash in
the report keeps a damaged network from being run.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _fuzz_readers import Reader

CASE_SECONDS = 10.0
_START_SECONDS = 120.0  # until a process has its libraries and its first case
_MOST_FINDINGS = 5  # of one reader
_FOUND = "!"


@dataclass
class Outcome:
    """What became of the runs of one reader. `findings`: what broke, in words."""

    runs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    peak_mb: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--runs", type=int, default=20_000, help="over all readers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for what is found")
    parser.add_argument("--worker", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return _work(options.readers[0], options.runs, options.seed, options.worker)
    from _fuzz_readers import READERS

    unknown = set(options.readers) - READERS.keys()
    if unknown:
        parser.error(f"no reader is called {min(unknown)}: there are {', '.join(READERS)}")
    names = options.readers or [name for name, reader in READERS.items() if reader.usual]
    shares = {name: READERS[name].share for name in names}
    keep = options.keep or Path(tempfile.mkdtemp(prefix="livetag-fuzz-"))
    found = 0
    for name, share in shares.items():
        runs = max(1, round(options.runs * share / sum(shares.values())))
        outcome = fuzz(name, runs, options.seed, keep)
        found += len(outcome.findings)
        answers = ", ".join(f"{count:,} {what}" for what, count in outcome.answers.most_common())
        print(
            f"{name:14} {outcome.runs:7,} runs  {outcome.seconds:6.0f} s  "
            f"{outcome.peak_mb:5,} MB at most  {answers}",
            flush=True,
        )
        for finding in outcome.findings:
            print(f"    FOUND: {finding}", flush=True)
    print(f"{found} found" + (f": the cases are in {keep}" if found else ""))
    return 1 if found else 0


def fuzz(reader: str, runs: int, seed: int, keep: Path) -> Outcome:
    """Run a reader so often; begin another process, with other cases, after each that breaks."""
    outcome = Outcome()
    began = time.monotonic()
    keep.mkdir(parents=True, exist_ok=True)
    while outcome.runs < runs and len(outcome.findings) < _MOST_FINDINGS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            turn = seed + 1_000 * len(outcome.findings)
            how = _run_worker(reader, runs - outcome.runs, turn, folder)
            finding = _collect(folder, outcome, how)
            if finding is None:
                break
            number = len(outcome.findings) + 1
            case = keep / f"{reader}-{seed}-{number}.case"
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(folder / "case", case)
            outcome.findings.append(f"{finding} ({case})")
    outcome.seconds = time.monotonic() - began
    return outcome


def _run_worker(reader: str, runs: int, seed: int, folder: Path) -> str:
    """Wait for a process that works; how it ended, where that was not of itself."""
    command = [sys.executable, __file__, reader, f"--runs={runs}", f"--seed={seed}"]
    command.append(f"--worker={folder}")
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
        assert process.stdout is not None
        try:
            patience = _START_SECONDS
            while select.select([process.stdout], [], [], patience)[0]:
                if not os.read(process.stdout.fileno(), 65_536):
                    code = process.wait()
                    return "" if code == 0 else f"the process ended with status {code}"
                patience = 2 * CASE_SECONDS
            return f"it took longer than {patience:g} s"
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _collect(folder: Path, outcome: Outcome, how: str) -> str | None:
    """Add up what a process wrote; what it found, where it found something."""
    with contextlib.suppress(FileNotFoundError):
        answers = (folder / "answers").read_text(encoding="utf-8").splitlines()
        outcome.answers.update(answer for answer in answers if not answer.startswith(_FOUND))
        outcome.runs += len(answers)
        found = [answer.removeprefix(_FOUND) for answer in answers if answer.startswith(_FOUND)]
        if found:
            return found[0]
    with contextlib.suppress(FileNotFoundError):
        outcome.peak_mb = max(outcome.peak_mb, int((folder / "peak").read_text()))
    if not how:
        return None
    outcome.runs += 1  # the one that gave no answer
    last = (folder / "stderr").read_text(errors="replace").strip().splitlines()[-1:]
    return " ".join([how, *last])


# --- In the process that works


def _work(name: str, runs: int, seed: int, folder: Path) -> int:
    import hypothesis
    from _fuzz_readers import READERS

    reader = READERS[name]
    cases = reader.cases()
    _limit_memory(reader.memory_bytes)
    scratch = folder / "scratch"
    scratch.mkdir(mode=0o700)
    quiet = hypothesis.settings(
        max_examples=runs,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.generate,),
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )

    @hypothesis.seed(seed)
    @quiet
    @hypothesis.given(cases)
    def run(case: bytes) -> None:
        (folder / "case").write_bytes(case)  # before it is tried: a crash leaves no time
        answer = _forked(reader, case, scratch) if reader.guard else _answer(reader, case, scratch)
        with (folder / "answers").open("a", encoding="utf-8") as file:
            file.write(f"{answer}\n")
        os.write(1, b".")
        if answer.startswith(_FOUND):
            raise AssertionError(answer)

    with contextlib.suppress(AssertionError):
        run()
    (folder / "peak").write_text(str(_peak_mb()))
    return 0


def _answer(reader: "Reader", case: bytes, scratch: Path) -> str:
    """What a reader makes of a case, in a line."""
    try:
        reader.read(case, scratch)
    except reader.kinds as error:
        return type(error).__name__
    except Exception as error:
        message = str(error)[:300].replace("\n", " ")
        return f"{_FOUND}{type(error).__name__}: {message}"
    return "read"


def _forked(reader: "Reader", case: bytes, scratch: Path) -> str:
    """The same in a process for this case alone, which may crash and hang: livetag's may, too."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(sending, _answer(reader, case, scratch).encode())
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        in_time = select.select([pipe], [], [], CASE_SECONDS)[0]
        answer = pipe.read().decode() if in_time else ""
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if answer:
        return answer
    how = f"status {os.waitstatus_to_exitcode(status)}" if in_time else "an endless loop"
    return f"{how} (in {reader.guard})"


def _limit_memory(most_bytes: int) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def _peak_mb() -> int:
    """The peak of the resident memory, in MB."""
    with contextlib.suppress(ImportError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1_024
        whose = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
        return max(resource.getrusage(each).ru_maxrss for each in whose) * unit // 1_000_000
    return 0


if __name__ == "__main__":
    sys.exit(main())
