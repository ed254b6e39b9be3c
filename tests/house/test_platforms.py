"""Systems that are not here, simulated: what is said on Windows, and what macOS is given."""

import subprocess
import sys

import pytest

WINDOWS = """
import os, socket, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for module, names in ((os, "fork getuid uname sched_getaffinity"), (socket, "AF_UNIX")):
    for name in names.split():
        delattr(module, name)
sys.platform = "win32"
"""
# What Linux has and macOS has not, as far as the control process would use it.
MACOS = """
import os, socket, sys
for name in "sched_getaffinity pidfd_open O_PATH memfd_create setns unshare".split():
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "darwin"
"""


def run(system: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = f"{system}\nfrom nbproctor.commands.start import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["check", "00"]])
def test_windows_is_told_what_works_there(arguments: list[str]) -> None:
    done = run(WINDOWS, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "needs Linux or macOS" in done.stderr and "WSL 2" in done.stderr
    assert "without fcntl and resource" in done.stderr


def test_on_macos_the_command_is_there() -> None:
    done = run(MACOS, "--help")
    assert done.returncode == 0 and "check" in done.stdout, done.stderr


def test_on_macos_the_doctor_says_that_there_is_no_sandbox() -> None:
    done = run(MACOS, "doctor")
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "namespaces, Landlock and seccomp filters are Linux's" in done.stdout
    assert "STUDENT CODE IS NOT HELD" in done.stdout


@pytest.mark.parametrize("system", [WINDOWS, MACOS])
def test_what_lessons_import_is_there(system: str) -> None:
    """The packages of others are imported before: they would look for that system's files."""
    others = "torch torchvision matplotlib.pyplot sklearn.datasets IPython.display ipywidgets tqdm"
    modules = "plusx.expect plusx.experiments plusx.widgets plusx.checking plusx.own_progress"
    program = f"import {', '.join(others.split())}\n{system}\nimport {', '.join(modules.split())}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
