"""Real Dask schedulers and workers, each a process of its own, on the loopback."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
SCHEDULER += ["--host", "127.0.0.1", "--port", "0"]
START_S = 120.0
# Becomes a program that can no longer make namespaces, nor use Landlock: no sandbox is left.
BARE = """
import os, sys
from nbproctor.sandbox import seccomp, syscalls
gone = "unshare mount setns pivot_root umount2 mount_setattr clone clone3 ioctl socket".split()
seccomp.NUMBERS = {name: seccomp.NUMBERS[name] for name in gone}
seccomp.NUMBERS["landlock_create_ruleset"] = (444, 444)
seccomp._only_unix_sockets = lambda allowed: []
if os.getuid():
    syscalls.no_new_privileges()
seccomp.install(True)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Running:
    """A scheduler and its workers. Ends them all."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler",
            [*SCHEDULER, *options, "--scheduler-file", str(file)],
            environment,
        )
        deadline = time.monotonic() + START_S
        while not (file.is_file() and file.read_text()):
            assert self.scheduler.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self.address = json.loads(file.read_text())["address"]

    def add(
        self,
        *options: str,
        before: tuple[str, ...] = (),
        nanny: bool = False,
        threads: int = 1,
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        """Start one more worker; `before` are words of the command line that come first."""
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address]
        command += ["--nthreads", str(threads), "--no-dashboard", "--memory-limit", "0"]
        command += ["--local-directory", str(self.folder), "--nanny" if nanny else "--no-nanny"]
        process = self._start("worker", [*before, *command, *options], environment)
        self.workers.append(process)
        return process

    def log(self) -> str:
        """What all of them have said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def end(self) -> None:
        for process in [*self.workers, self.scheduler]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(
        self, name: str, command: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        path = self.folder / f"{name}-{len(self.workers)}.log"
        with path.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )


@contextlib.contextmanager
def running(folder: Path, *options: str, **environment: str) -> Iterator[Running]:
    """A scheduler for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Running(folder, *options, **environment)
    try:
        yield made
    finally:
        made.end()
