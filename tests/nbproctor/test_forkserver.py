"""Forks of a process that has imported everything: as good as fresh interpreters, and quick."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbproctor.config import Limits
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.sandbox import forkserver
from nbproctor.sandbox.forkserver import KERNEL_MODULES, ForkServer, warm_server
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks start cold elsewhere")
TIMEOUT_S = 120.0
NUMBERS = (
    "import random, numpy, torch\n[random.random(), numpy.random.rand(), torch.rand(1).item()]"
)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    made = ForkServer([*KERNEL_MODULES, "numpy", "torch", "matplotlib.pyplot"], TIMEOUT_S)
    yield made
    made.stop()


def answer(kernel: StudentKernel, code: str) -> str:
    done = kernel.execute(code, 60, 100_000)
    assert done.outputs.error == ""
    return str(done.outputs.cells[-1]["data"]["text/plain"])


def kernel_of(server: ForkServer | None) -> StudentKernel:
    return StudentKernel(Limits(), strongest_level(Level.REDUCED), server=server)


def test_the_server_imports_once_and_stays_alone(server: ForkServer) -> None:
    assert server.refusal == "" and server.is_usable
    assert len(os.listdir(f"/proc/{server.process.pid}/task")) == 1
    with kernel_of(server) as kernel:
        kernel.start()
        loaded = "import sys; {'torch', 'numpy', 'matplotlib.pyplot'} <= sys.modules.keys()"
        assert answer(kernel, loaded) == "True"


def test_forks_draw_different_numbers(server: ForkServer) -> None:
    drawn = []
    for _ in range(2):
        with kernel_of(server) as kernel:
            kernel.start()
            drawn.append(answer(kernel, NUMBERS).strip("[]").split(", "))
    assert not set(drawn[0]) & set(drawn[1])


def test_a_fork_has_the_environment_of_a_fresh_kernel(server: ForkServer) -> None:
    code = (
        "import os, sys, tempfile\n"
        "open('x', 'w').close()\n"
        "skip = {'KMP_DUPLICATE_LIB_OK', 'KMP_INIT_AT_FORK'}  # importing torch sets them\n"
        "(sorted(set(os.environ) - skip), os.getcwd(), os.path.expanduser('~'),\n"
        " tempfile.gettempdir(), os.listdir(), sorted(os.listdir('/proc/self/fd'))[:3],\n"
        " sys.flags.isolated, os.umask(0), sys.path)"
    )
    told = []
    for source in (server, None):
        with kernel_of(source) as kernel:
            kernel.start()
            told.append(answer(kernel, code))
    assert told[0] == told[1]


def test_figures_show_in_a_fork(server: ForkServer) -> None:
    with kernel_of(server) as kernel:
        kernel.start()
        code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
        done = kernel.execute(code, 60, 1 << 20)
        assert [list(cell["data"]) for cell in done.outputs.cells] == [["text/plain", "image/png"]]


def test_nothing_is_left_of_forks_that_ended(server: ForkServer) -> None:
    with kernel_of(server) as kernel:
        for _ in range(3):
            kernel.start()
            kernel.stop()
    pid = server.process.pid
    deadline = time.monotonic() + 10
    children = Path(f"/proc/{pid}/task/{pid}/children")
    while children.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children.read_text() == ""


def test_kernels_outlive_their_server() -> None:
    made = ForkServer(KERNEL_MODULES, TIMEOUT_S)
    with kernel_of(made) as kernel:
        kernel.start()
        made.stop()
        assert answer(kernel, "1 + 1") == "2"


def test_a_server_that_was_killed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver, "_servers", {})
    first = warm_server([], TIMEOUT_S)
    assert first is not None and warm_server([], TIMEOUT_S) is first
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = warm_server([], TIMEOUT_S)
    assert second is not None and second is not first
    with kernel_of(second) as kernel:
        kernel.start()
        assert answer(kernel, "1 + 1") == "2"
    second.stop()
    first.requests.close()


def test_only_the_servers_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds the memory of its imports."""
    monkeypatch.setattr(forkserver, "_servers", {})
    made = {name: warm_server([name], TIMEOUT_S) for name in ("abc", "array")}
    warm_server(["abc"], TIMEOUT_S)
    made["ast"] = warm_server(["ast"], TIMEOUT_S)
    try:
        assert [s is not None and s.is_usable for s in made.values()] == [True, False, True]
        assert warm_server(["abc"], TIMEOUT_S) is made["abc"]
        assert len(forkserver._servers) == 2
    finally:
        for server in forkserver._servers.values():
            server.stop()


def test_what_starts_a_thread_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver, "_servers", {})
    module = "nbproctor_starts_a_thread"
    site = Path(next(p for p in sys.path if p.endswith("site-packages")))
    file = site / f"{module}.py"
    file.write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()"
    )
    try:
        server = ForkServer([module], TIMEOUT_S)
        assert server.refusal == "importing left 2 threads"
        assert warm_server([module], TIMEOUT_S) is None
    finally:
        file.unlink()
        server.stop()
        for made in forkserver._servers.values():
            made.stop()


def test_a_missing_module_is_no_reason_to_start_cold() -> None:
    made = ForkServer(["no_such_module"], TIMEOUT_S)
    assert made.is_usable
    made.stop()
    with contextlib.suppress(OSError):
        made.fork([0])
    assert not made.is_usable
