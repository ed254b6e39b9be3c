"""Archives that students hand in: unpacked each by itself, and left out where they are traps."""

import gzip
import io
import resource
import tarfile
import zipfile
from pathlib import Path

import pytest

from nbproctor.store.collect import CarefulExtractor
from nbproctor.store.gradebook import set_traps_aside

MIB = 1 << 20
MAX_FILES, MAX_BYTES = 500, 10 * MIB


def zipped(entries: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return made.getvalue()


def deep(depth: int) -> bytes:
    return zipped({"a/" * n + "x.txt": b"" for n in range(0, depth + 1, 30)})


def nested(depth: int) -> bytes:
    data = zipped({"x.txt": b"hello"})
    for _ in range(depth):
        data = zipped({"a.zip": data})
    return data


def broad() -> bytes:
    """Many archives in one, each with few files."""
    return zipped({f"{n}.zip": zipped({str(k): b"" for k in range(20)}) for n in range(50)})


def heavy() -> bytes:
    return zipped({f"{n}.zip": zipped({"x": bytes(MIB)}) for n in range(20)})


def heavy_tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for n in range(20):
            info = tarfile.TarInfo(str(n))
            info.size = MIB
            packed.addfile(info, io.BytesIO(bytes(MIB)))
    return made.getvalue()


def collect(folder: Path, data: bytes, name: str = "mallory.zip") -> Path:
    """Collect one archive and an honest student's; the folder of what was collected."""
    archive, out = folder / "archive", folder / "out"
    archive.mkdir()
    (archive / name).write_bytes(data)
    (archive / "zoe.zip").write_bytes(zipped({"code/tiny.ipynb": b"{}", "more.zip": nested(2)}))
    extractor = CarefulExtractor(max_files=MAX_FILES, max_bytes=MAX_BYTES)
    extractor.extract(str(archive), str(out))
    assert (out / "zoe/code/tiny.ipynb").read_bytes() == b"{}"
    assert (out / "zoe/more/a/a/x.txt").read_bytes() == b"hello"
    return out


@pytest.mark.parametrize("data", [deep(1200), b"no archive"], ids=["deep", "broken"])
def test_an_archive_that_is_a_trap_is_left_out(tmp_path: Path, data: bytes) -> None:
    out = collect(tmp_path, data)
    assert [path.name for path in out.iterdir()] == ["zoe"]


@pytest.mark.parametrize("data", [nested(100), broad(), heavy()], ids=["nested", "broad", "heavy"])
def test_what_unpacks_into_too_much_ends_early(tmp_path: Path, data: bytes) -> None:
    files = [path for path in (collect(tmp_path, data) / "mallory").rglob("*") if path.is_file()]
    assert len(files) <= MAX_FILES
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES
    assert not any(path.suffix == ".zip" for path in files)


def test_a_tar_file_of_too_much_is_left_out(tmp_path: Path) -> None:
    out = collect(tmp_path, heavy_tar(), "mallory.tar.gz")
    assert [path.name for path in out.iterdir()] == ["zoe"]


def one_large_name() -> bytes:
    """A tar file of one entry, whose name is written as 600 MiB of zeros."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 600 * MIB
    made = io.BytesIO()
    with gzip.open(made, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(600):
            stream.write(bytes(MIB))
        stream.write(tarfile.TarInfo("y").tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    return made.getvalue()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit is Linux's")
def test_an_archive_that_takes_much_memory_to_be_looked_into_is_left_out(tmp_path: Path) -> None:
    data, limits = one_large_name(), resource.getrlimit(resource.RLIMIT_DATA)
    assert len(data) < 4 * MIB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = collect(tmp_path, data, "mallory.tar.gz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10  # KiB
    assert [path.name for path in out.iterdir()] == ["zoe"]
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits


def test_traps_in_a_deep_folder_are_set_aside(tmp_path: Path) -> None:
    """A folder that was handed in deeper than Python's own walks can go."""
    (tmp_path / "tiny.ipynb").write_text("{}")
    below = tmp_path / Path(*"a" * 1100)
    place = tmp_path
    for _ in range(1100):
        place = place / "a"
        place.mkdir()
    (below / "link").symlink_to("/etc")
    set_traps_aside("tiny", "mallory", [str(tmp_path / "tiny.ipynb")])
    assert list(below.iterdir()) == []
    while place != tmp_path:  # pytest could not remove it
        place.rmdir()
        place = place.parent
