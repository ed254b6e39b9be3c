"""What an attack did outside its notebook: processes, files, connections, and a page's contents."""

import ctypes
import os
import selectors
import socket
import sysconfig
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

__all__ = [
    "Ears",
    "active_content",
    "adopt_orphans",
    "files_below",
    "named_files",
    "peak_memory",
    "processes",
    "reset_peak_memory",
    "segments",
    "survivors",
    "walk",
]

PR_SET_CHILD_SUBREAPER = 36
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run")


def adopt_orphans() -> None:
    """From now on a process that outlives its parent becomes a child of this one."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def processes() -> dict[tuple[int, int], str]:
    """All descendants of this process: (id, start time) -> command line or name."""
    parents, found = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                stat = Path("/proc", entry, "stat").read_text()
                command = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:  # it ended while we looked
                continue
            name, _, rest = stat[stat.index("(") + 1 :].rpartition(") ")
            state, parent, *others = rest.split()
            parents[int(entry)] = int(parent)
            text = f"{command.decode(errors='replace').strip() or name} ({state})"
            found[int(entry), int(others[17])] = text
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return {key: text for key, text in found.items() if key[0] in ours - {os.getpid()}}


def survivors(before: Iterable[tuple[int, int]], patience_s: float = 3.0) -> tuple[str, ...]:
    """Descendants that were not there before and do not go away."""
    deadline = time.monotonic() + patience_s
    while True:
        new = {key: text for key, text in processes().items() if key not in set(before)}
        if not new or time.monotonic() > deadline:
            return tuple(f"{pid}: {text}" for (pid, _), text in sorted(new.items()))
        _bury({pid for pid, _ in new})
        time.sleep(0.05)


def _bury(pids: set[int]) -> None:
    """Dead orphans that this process has adopted."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def files_below(*folders: Path, but: Iterable[Path] = ()) -> dict[str, tuple[int, int, int]]:
    """Everything below some folders: path -> (mode, size, time of change)."""
    skipped, found = {str(path) for path in but}, {}
    for folder in folders:
        for path, is_folder in walk(folder, skipped):
            status = os.lstat(path)
            changing = 0 if is_folder else status.st_mtime_ns
            found[path] = (status.st_mode, status.st_size * bool(changing), changing)
    return found


def walk(folder: Path, skipped: Collection[str] = ()) -> Iterator[tuple[str, bool]]:
    """All below a folder, as deep as paths can be, and whether it is a folder: `os.walk` calls
    itself for each folder until Python 3.12."""
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = [entry for entry in entries if entry.path not in skipped]
        except OSError:  # an attack has closed it, or its path is too long
            continue
        for entry in found:
            is_folder = entry.is_dir(follow_symlinks=False)
            yield entry.path, is_folder
            if is_folder:
                waiting.append(entry.path)


def named_files(mark: str) -> list[str]:
    """Files that, by their name, an attack of this run made in folders that everybody shares."""
    return [
        os.path.join(folder, name)
        for folder in (*SHARED_FOLDERS, sysconfig.get_path("purelib"))
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if mark in name
    ]


def segments(key: int) -> list[str]:
    """System V shared memory, queues and semaphores with this key."""
    found = []
    for kind in ("shm", "msg", "sem"):
        table = Path("/proc/sysvipc", kind)
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        found += [f"System V {kind}" for line in lines if int(line.split()[0]) == key]
    return found


class Ears:
    """Listens on TCP, UDP, two unix sockets and an abstract one, and remembers who came.

    Args:
        path: where a unix socket stands; the abstract one is called like it, and the one for
            datagrams, at `datagrams`, nearly so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.datagrams, self.heard = path, Path(f"{path}-d"), list[str]()
        self._selector = selectors.DefaultSelector()
        self.tcp = self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0), "tcp")
        self.udp = self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0), "udp")
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(path), "unix")
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{path}", "abstract")
        self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(self.datagrams), "unix datagram")
        threading.Thread(target=self._run, daemon=True).start()

    def _listen(self, family: int, kind: int, address: object, name: str) -> int:
        sock = socket.socket(family, kind)
        sock.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            sock.listen()
        self._selector.register(sock, selectors.EVENT_READ, name)
        return sock.getsockname()[1] if family == socket.AF_INET else 0

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                self.heard.append(key.data)
                if key.data in ("udp", "unix datagram"):
                    key.fileobj.recv(100)  # type: ignore[union-attr]
                else:
                    key.fileobj.accept()[0].close()  # type: ignore[union-attr]


class _Reader(HTMLParser):
    """Collects what a browser would obey, not show."""

    def __init__(self) -> None:
        super().__init__()
        self.obeyed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.obeyed += [tag, *(f"{name}={value}" for name, value in attrs)]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:  # inside <script> or <style>
            self.obeyed.append(data)


def reset_peak_memory() -> int:
    """Forget how much memory this process has used at most; how much it uses now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """The most memory that this process has used since then, in bytes."""
    line = next(t for t in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in t)
    return int(line.split()[1]) << 10


def active_content(page: str, mark: str) -> list[str]:
    """Tags, attributes, scripts and styles of a page that bear an attack's mark."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return [text[:200] for text in reader.obeyed if mark in text]
