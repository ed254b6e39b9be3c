"""torchvision's data sets, fetched so that a broken connection costs no more than a wait.

What is fetched, from where, and its checksum are torchvision's own, and so is unpacking. Only the
transfer is ours: it goes on where it was cut off, tries again, and says how to do it by hand.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from plusx.errors import DownloadError
from plusx.files import PART

TRIES = 4
FIRST_WAIT_S = 0.5  # before the second try; doubled before each later one
TIMEOUT_S = 30  # without any byte
PIECE = 2**18  # bytes that are read at once
PASSING = (408, 416, 425, 429)  # answers below 500 that a second try may not get


@dataclass(frozen=True)
class Archive:
    """A file of a data set: where it can be had, where it belongs, its checksum."""

    urls: tuple[str, ...]
    path: Path
    md5: str

    @property
    def is_there(self) -> bool:
        """Whether the file is there, whole and right."""
        return self.path.is_file() and _checksum(self.path) == self.md5


def both_halves(kind: Any, folder: Path) -> list[Any]:
    """The training and the test half of a data set of torchvision's, kept in `folder`.

    kind: torchvision.datasets.CIFAR10, FashionMNIST, or another class with their attributes.
    Raises `DownloadError` if something is missing and cannot be fetched.
    """
    try:
        return [kind(folder, train=half, download=False) for half in (True, False)]
    except Exception:  # not there, or spoilt: then torchvision raises nearly anything
        for archive in archives(kind, folder):
            if not archive.is_there:
                fetch(archive)
            # torchvision takes an unpacked .gz for good as soon as it is there
            archive.path.with_suffix("").unlink(missing_ok=True)
        return [kind(folder, train=half, download=True) for half in (True, False)]


def archives(kind: Any, folder: Path) -> list[Archive]:
    """The files that torchvision's class would fetch into `folder`."""
    if hasattr(kind, "resources"):  # MNIST and its likes
        raw = folder / kind.__name__ / "raw"
        return [
            Archive(tuple(mirror + name for mirror in kind.mirrors), raw / name, checksum)
            for name, checksum in kind.resources
        ]
    return [Archive((kind.url,), folder / kind.filename, kind.tgz_md5)]


def fetch(archive: Archive, wait_s: float = FIRST_WAIT_S) -> None:
    """Fetch a file. What an earlier call, or one that was killed, has got of it is kept.

    wait_s: seconds before the second try. Raises `DownloadError`, which says the way by hand.
    """
    part = archive.path.with_name(archive.path.name + PART)
    part.parent.mkdir(parents=True, exist_ok=True)
    problem = ""
    for attempt in range(TRIES * len(archive.urls)):
        url = archive.urls[attempt % len(archive.urls)]
        if attempt:
            time.sleep(wait_s * 2 ** (attempt - 1))
        try:
            _go_on(url, part, Progress(archive.path.name))
        except HTTPError as error:
            problem = f"{error} from {url}"
            if error.code < 500 and error.code not in PASSING and len(archive.urls) == 1:
                break
            if error.code != 416:  # "no such range": it may be whole
                continue
        except (OSError, HTTPException) as error:
            problem = f"{error!r} from {url}"
            continue
        if _checksum(part) == archive.md5:
            os.replace(part, archive.path)
            return
        part.unlink()
        problem = f"a file with another checksum from {url}"
    raise _refusal(archive, problem)


def _go_on(url: str, part: Path, progress: Callable[[int, int], None]) -> None:
    """Append to `part` what is missing of the file behind an address."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urlopen(request, timeout=TIMEOUT_S) as answer:
        if answer.status != 206:  # the server sends everything
            have = 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with open(part, "ab" if have else "wb") as file:
            while piece := answer.read(PIECE):
                file.write(piece)
                have += len(piece)
                progress(have, total)
    if have < total:
        raise ConnectionError(f"the connection ended after {have:,} of {total:,} bytes")


class Progress:
    """Says on stderr, about once a second, how much has come."""

    def __init__(self, name: str) -> None:
        self.name, self.said = name, time.monotonic()

    def __call__(self, have: int, total: int) -> None:
        now = time.monotonic()
        if now - self.said >= 1:
            self.said = now
            share = (
                f"{100 * have // total}% of {total / 1e6:.0f} MB" if total else f"{have:,} bytes"
            )
            print(f"\r{self.name}: {share} ", end="", file=sys.stderr, flush=True)


def _checksum(path: Path) -> str:
    total = md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(2**20):
            total.update(piece)
    return total.hexdigest()


def _refusal(archive: Archive, problem: str) -> DownloadError:
    by_hand = (
        f"by hand: fetch {' or '.join(archive.urls)} where there is a network, and put it there"
    )
    return DownloadError(
        f"{archive.path.name} could not be fetched; the next call goes on where this one stopped",
        expected=f"a file with MD5 {archive.md5}; {by_hand}",
        got=problem,
        where=str(archive.path),
    )
