"""Where packages come from is the user's own affair: no file names a registry's host."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# With gaps, or this file would name them.
HOSTS = [
    host.replace(" ", "")
    for host in (
        "py pi .org",
        "python hos ted .org",
        "py pi .python.org",
        "down load .pytorch.org",
        "ana conda .org",
        "ana conda .com",
        "np mjs .org",
        "np mjs .com",
        "yarn pkg .com",
        "js delivr .net",
        "un pkg .com",
        "doc ker .io",
        "gh cr .io",
        "qu ay .io",
        "cra tes .io",
        "ruby gems .org",
        "proxy .go lang .org",
        "ma ven .org",
        "arch ive .ubuntu.com",
        "deb .deb ian.org",
    )
]


def naming(root: Path) -> list[str]:
    """The lines of tracked text files (`path:line`) that name a registry's host."""
    hosts = [word for host in HOSTS for word in ("-e", host)]
    command = ["git", "-C", root, "grep", "-IinF", *hosts]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    assert done.returncode < 2, done.stderr  # 1: no line
    return [":".join(line.split(":", 2)[:2]) for line in done.stdout.splitlines()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows which files are tracked")
def test_no_file_names_a_registry() -> None:
    assert not naming(ROOT)


def test_a_file_that_names_one_is_found(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = https://{HOSTS[0].upper()}/simple\n")
    (tmp_path / "README.md").write_text("Nothing of that kind: a page in an organisation.\n")
    subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
    assert naming(tmp_path) == ["pip.conf:2"]
