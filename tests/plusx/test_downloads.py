"""Fetching data sets: against a server of our own, which cuts, refuses and lies."""

import gzip
import io
import pickle
import struct
import tarfile
import threading
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import pytest
import torch
from torchvision import datasets

from plusx import DownloadError, data, load_data
from plusx.downloads import Archive, Progress, fetch

CONTENT = bytes(range(256)) * 4000  # a megabyte


class Server(ThreadingHTTPServer):
    """Serves `files`; `faults` are used up, one for each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.ranges = {}, [], []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.ranges.append(asked)
        fault = self.server.faults.pop(0) if self.server.faults else ""
        content = self.server.files.get(self.path[1:])
        if content is None or isinstance(fault, int):
            return self.send_error(fault or 404)
        start = int(asked[6:-1]) if asked and fault != "ignores ranges" else 0
        if asked and start >= len(content):
            return self.send_error(416)
        body = b"x" * len(content) if fault == "lies" else content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 3] if fault == "cuts" else body)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def archive(server, folder, content=CONTENT):
    server.files["big.bin"] = content
    return Archive((server.url("big.bin"),), folder / "raw/big.bin", md5(content).hexdigest())


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ([], [""]),
        (["cuts", "cuts"], ["", f"bytes={len(CONTENT) // 3}-", "bytes=568888-"]),
        (["cuts", "ignores ranges"], ["", f"bytes={len(CONTENT) // 3}-"]),
        ([503, "lies"], ["", "", ""]),
    ],
)
def test_a_file_arrives_whole_whatever_happens_on_the_way(server, tmp_path, faults, ranges):
    server.faults[:] = faults
    wanted = archive(server, tmp_path)
    fetch(wanted, wait_s=0.01)
    assert wanted.path.read_bytes() == CONTENT and wanted.is_there
    assert server.ranges == ranges
    assert [path.name for path in wanted.path.parent.iterdir()] == ["big.bin"]


def test_a_later_call_goes_on_where_the_first_one_gave_up(server, tmp_path):
    wanted = archive(server, tmp_path)
    server.faults[:] = ["cuts", 500, 500, 500]
    with pytest.raises(DownloadError, match="goes on where this one stopped"):
        fetch(wanted, wait_s=0.01)
    part = tmp_path / "raw/big.bin.part"
    assert part.read_bytes() == CONTENT[: len(CONTENT) // 3]
    fetch(wanted, wait_s=0.01)
    assert server.ranges[-1] == f"bytes={len(CONTENT) // 3}-"
    assert wanted.path.read_bytes() == CONTENT and not part.exists()


def test_a_part_that_is_already_whole_is_taken(server, tmp_path):
    wanted = archive(server, tmp_path)
    wanted.path.parent.mkdir()
    (tmp_path / "raw/big.bin.part").write_bytes(CONTENT)
    fetch(wanted, wait_s=0.01)
    assert wanted.is_there


def test_a_wrong_file_is_never_kept(server, tmp_path):
    wanted = archive(server, tmp_path)
    server.files["big.bin"] = b"something else"
    with pytest.raises(DownloadError, match="another checksum"):
        fetch(wanted, wait_s=0.01)
    assert list(wanted.path.parent.iterdir()) == []


def test_without_a_network_the_message_says_the_way_by_hand(server, tmp_path):
    wanted = archive(server, tmp_path)
    for missing, requests in ((server.url("gone.bin"), 1), ("http://127.0.0.1:1/none.bin", 0)):
        server.ranges.clear()
        with pytest.raises(DownloadError) as caught:
            fetch(Archive((missing,), wanted.path, wanted.md5), wait_s=0.01)
        assert len(server.ranges) == requests  # what is not there is not asked for again
        for part in (missing, str(wanted.path), wanted.md5, "by hand"):
            assert part in str(caught.value)


def test_progress_is_said_now_and_then(monkeypatch, capsys):
    seconds = iter([0.0, 0.5, 1.5, 1.6, 3.0])
    monkeypatch.setattr("plusx.downloads.time.monotonic", lambda: next(seconds))
    progress = Progress("set.tar.gz")
    for have in (1_000_000, 50_000_000, 60_000_000, 100_000_000):
        progress(have, 200_000_000)
    said = capsys.readouterr().err.split("\r")
    assert said == ["", "set.tar.gz: 25% of 200 MB ", "set.tar.gz: 50% of 200 MB "]


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def tiny_cifar(server):
    """torchvision's CIFAR10, whose files are here: 2 training images and 2 test images."""
    pixels = numpy.arange(2 * 3072, dtype=numpy.uint16).astype(numpy.uint8).reshape(2, 3072)
    batch = pickle.dumps({"data": pixels, "labels": [1, 0]})
    names = pickle.dumps({"label_names": ["plane", "car"]})
    files = {"data_batch_1": batch, "test_batch": batch, "batches.meta": names}
    content = packed({f"cifar-10-batches-py/{name}": file for name, file in files.items()})
    server.files["cifar.tar.gz"] = content

    class Tiny(datasets.CIFAR10):
        url, filename = server.url("cifar.tar.gz"), "cifar.tar.gz"
        tgz_md5 = md5(content).hexdigest()
        train_list = (("data_batch_1", md5(batch).hexdigest()),)
        test_list = (("test_batch", md5(batch).hexdigest()),)
        meta = datasets.CIFAR10.meta | {"md5": md5(names).hexdigest()}

    Tiny.train_list, Tiny.test_list = list(Tiny.train_list), list(Tiny.test_list)
    return Tiny


def tiny_fashion(server):
    """torchvision's FashionMNIST, whose files are here: 3 images in each half."""
    found = []
    for name, _ in datasets.FashionMNIST.resources:
        content = bytes(3) if "labels" in name else bytes(range(196)) * 4 * 3
        sizes = (3,) if "labels" in name else (3, 28, 28)
        head = struct.pack(">HBB", 0, 8, len(sizes)) + struct.pack(f">{len(sizes)}I", *sizes)
        server.files[name] = gzip.compress(head + content)
        found.append((name, md5(server.files[name]).hexdigest()))

    class FashionMNIST(datasets.FashionMNIST):
        mirrors = tuple([server.url("gone/"), server.url("")])  # noqa: C409
        resources = tuple(found)

    return FashionMNIST


def test_cifar_is_fetched_checked_and_kept(server, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "CIFAR10", tiny_cifar(server))
    monkeypatch.setattr(data, "user_cache_path", lambda _: tmp_path)
    server.faults[:] = ["cuts"]
    first = load_data("cifar10")
    assert first.classes == ("plane", "car") and first.train_labels.tolist() == [1, 0]
    assert first.train_images.shape == (2, 3, 32, 32)
    requests = len(server.ranges)
    again = load_data("cifar10")
    assert len(server.ranges) == requests and again.digest == first.digest
    (tmp_path / "data/cifar-10-batches-py/data_batch_1").write_bytes(b"spoilt")
    assert torch.equal(load_data("cifar10").train_images, first.train_images)
    assert len(server.ranges) == requests  # unpacked anew from what was there


def test_fashion_comes_from_the_next_mirror_and_half_unpacked_files_are_mended(
    server, monkeypatch, tmp_path
):
    monkeypatch.setattr(datasets, "FashionMNIST", tiny_fashion(server))
    monkeypatch.setattr(data, "user_cache_path", lambda _: tmp_path)
    monkeypatch.setattr(fetch, "__defaults__", (0.01,))
    first = load_data("fashion_mnist")
    assert first.train_images.shape == (3, 1, 28, 28) and len(first.classes) == 10
    raw: Path = tmp_path / "data/FashionMNIST/raw/train-images-idx3-ubyte"
    raw.write_bytes(raw.read_bytes()[:100])
    assert torch.equal(load_data("fashion_mnist").train_images, first.train_images)
