"""Unpacking what students hand in, where nbgrader's zip_collect does it.

Set as `c.ZipCollectApp.extractor_plugin`. nbgrader's own stops at the first archive that is broken
or holds a name that leads out of its folder, and nobody's work is collected. Here such an archive
is left out, whole, and said to be; and so is one that unpacks into more than anybody hands in, into
folders so deep that Python cannot walk through them, or that takes much memory to be looked into.
"""

import resource
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbgrader.plugins import ExtractorPlugin
from nbgrader.utils import unzip
from traitlets import Int

from nbproctor.store.places import files_below

__all__ = ["CarefulExtractor"]

MAX_DEPTH = 20  # folders, and archives in archives
MAX_MEMORY = 256 << 20  # bytes: an archive's tables of contents are read whole


@dataclass
class _Room:
    """What one student's archive, with those in it, may still unpack into."""

    files: int
    bytes: int

    def take(self, path: Path, depth: int) -> None:
        """Take away what an archive holds, before it is unpacked.

        Raises:
            ValueError: it holds more than there is room for.
        """
        for name, size in _members(path):
            self.files -= 1
            self.bytes -= size
            if depth + name.count("/") + name.count("\\") > MAX_DEPTH:
                raise ValueError(f"more than {MAX_DEPTH} folders or archives in one another")
            if self.files < 0 or self.bytes < 0:
                raise ValueError("it unpacks into too many files, or too large ones")


class CarefulExtractor(ExtractorPlugin):
    """Each archive, and each archive in it, by itself."""

    max_files = Int(
        10_000, help="Files and folders that one archive, with those in it, may unpack into."
    ).tag(config=True)
    max_bytes = Int(1 << 30, help="Bytes that one archive, with those in it, may unpack into.").tag(
        config=True
    )

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack or copy all files below `archive_path` to the same places in `extracted_path`."""
        for path in sorted(files_below(Path(archive_path))):
            target = Path(extracted_path, path.parent.relative_to(archive_path))
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            self._unpack(target / path.name, _Room(self.max_files, self.max_bytes))

    def _unpack(self, path: Path, room: _Room, depth: int = 0) -> None:
        """Replace an archive by a folder of its name; without it, if that is not possible."""
        if path.suffix not in self.zip_ext:
            return
        folder = path.parent / path.stem.removesuffix(".tar")
        try:
            with _little_memory():
                room.take(path, depth)
                extensions = list(self.zip_ext)
                unzip(str(path), str(path.parent), zip_ext=extensions, create_own_folder=True)
        except Exception as error:  # whatever was put together to break it
            self.log.error("Left out, since it cannot be unpacked safely: %s (%s)", path, error)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            path.unlink()
        for inner in sorted(files_below(folder)):
            self._unpack(inner, room, depth + len(inner.relative_to(folder).parts))


@contextmanager
def _little_memory() -> Iterator[None]:
    """Whatever takes much more memory than there was before fails, where the system can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:  # no Linux
        yield
        return
    most = pages * resource.getpagesize() + MAX_MEMORY
    limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([most, *limits]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _members(path: Path) -> Iterator[tuple[str, int]]:
    """Names and sizes of what an archive holds, as it tells them."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            yield from ((item.filename, item.file_size) for item in packed.infolist())
    else:
        with tarfile.open(path) as stream:
            yield from ((item.name, item.size) for item in stream)
