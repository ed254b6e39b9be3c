"""GPUs reach a submission where the limits say so, and only then."""

import os
from pathlib import Path

import pytest
from fixtures import RIGHT, fill, lesson, write

from nbproctor.config import Limits
from nbproctor.course.notebook import read_submission
from nbproctor.errors import ConfigError
from nbproctor.grading.grade import grade_submission
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.sandbox import process
from nbproctor.sandbox.forkserver import KERNEL_MODULES, ForkServer
from nbproctor.sandbox.gpus import gpu_devices
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level

# It stands for a GPU: every machine has it, and no sandbox shows it unasked.
DEVICE = "/dev/tty"
LOOK = """import os
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
except OSError as error:
    print(error.errno)
"""
NO_TERMINAL, NOT_THERE, NOT_ALLOWED = "6", "2", "13"

needs_gpu = pytest.mark.skipif(
    not Path("/dev/nvidia0").exists(), reason="this machine has no GPU of NVIDIA's"
)


def make_gpus(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def names(devices: tuple[str, ...]) -> list[str]:
    return [os.path.basename(device) for device in devices]


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [
        (None, 0, []),
        (None, 1, ["nvidiactl", "nvidia-uvm", "nvidia0"]),
        (None, 2, ["nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1"]),
        ("10", 1, ["nvidiactl", "nvidia-uvm", "nvidia10"]),
        ("1, 0", 1, ["nvidiactl", "nvidia-uvm", "nvidia1"]),
        ("GPU-5ebe9ba1", 1, ["nvidiactl", "nvidia-uvm", "nvidia0"]),
    ],
)
def test_devices_are_chosen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    visible: str | None,
    count: int,
    expected: list[str],
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    folder = make_gpus(
        tmp_path, "nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia-caps"
    )
    assert names(gpu_devices(count, folder)) == expected


@pytest.mark.parametrize(("visible", "there"), [("", "nvidia0"), ("7", "none")])
def test_too_few_gpus_are_an_error_that_says_which_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, there: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(ConfigError, match="too few GPUs") as caught:
        gpu_devices(2, make_gpus(tmp_path, "nvidia0", "nvidiactl"))
    assert f"got: {there}" in str(caught.value) and "expected: 2" in str(caught.value)


@pytest.mark.parametrize("wrong", [-1, True, 0.5, "1"])
def test_a_limit_that_is_no_number_of_gpus_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="limit gpus is not usable"):
        Limits(gpus=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [Level.FULL, Level.REDUCED])
def test_a_device_is_there_only_where_the_limits_say_so(
    level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    if process._reason_against(level):
        level = strongest_level(Level.REDUCED)
    hidden = {Level.FULL: NOT_THERE, Level.REDUCED: NOT_ALLOWED}[level]
    assert see_device(level, Limits()) == hidden
    monkeypatch.setattr(process, "gpu_devices", lambda count: (DEVICE,) * count)
    assert see_device(level, Limits()) == hidden
    assert see_device(level, Limits(gpus=1)) == NO_TERMINAL  # it opens, for who has a terminal


def see_device(level: Level, limits: Limits) -> str:
    with StudentKernel(limits, level) as kernel:
        kernel.start()
        (seen,) = kernel.execute(LOOK, 30.0, 10_000).outputs.cells
        return str(seen["text"]).strip()


ON_GPU = "import torch\ndef double(x):\n    return (2 * torch.tensor(x, device='cuda')).item()"


@needs_gpu
@pytest.mark.parametrize("is_warm", [False, True])
def test_a_kernel_computes_on_a_gpu(is_warm: bool) -> None:
    server = ForkServer([*KERNEL_MODULES, "torch"], 120.0) if is_warm else None
    limits = Limits(gpus=1)
    with StudentKernel(limits, strongest_level(Level.REDUCED), server=server) as kernel:
        kernel.start()
        code = "import torch; torch.ones(3, device='cuda').sum().item()"
        done = kernel.execute(code, 120.0, 10_000)
        assert done.outputs.error == ""
        assert done.outputs.cells[-1]["data"]["text/plain"] == "3.0"
    if server is not None:
        assert server.is_usable
        server.stop()


@needs_gpu
def test_an_answer_that_needs_a_gpu_is_graded_on_one(tmp_path: Path) -> None:
    loaded, released = lesson(tmp_path)
    made = fill(released, {**RIGHT, "double": ON_GPU})
    for gpus, verdict in ((1, "passed"), (0, "failed")):
        limits = Limits(gpus=gpus, cell_timeout_s=60.0, call_timeout_s=60.0)
        submission = read_submission(write(tmp_path / "s.ipynb", made), loaded, limits)
        report = grade_submission(loaded, submission, limits).report
        assert report.results[0].verdict == verdict
