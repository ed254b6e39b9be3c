"""Files are there as a whole or not at all, and private ones are nobody else's."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbproctor.commands import cli
from nbproctor.course.records import Report
from nbproctor.errors import ConfigError
from nbproctor.files import write_page, write_whole
from nbproctor.sandbox.plan import Level


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "grades.csv"
    target.write_text("old")
    write_whole(target, b"new")
    assert target.read_bytes() == b"new" and list(tmp_path.iterdir()) == [target]


def test_links_and_pipes_are_written_to_and_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "grades.csv", tmp_path / "link"
    link.symlink_to(target)
    write_whole(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    program = "from pathlib import Path; from nbproctor.files import write_whole; "
    program += "write_whole(Path('/dev/stdout'), b'a,b'); write_whole(Path('-'), b'c')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.stdout == b"a,bc" and Path("/dev/stdout").is_symlink()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "no" / "x.csv", tmp_path, tmp_path / "file" / "x.csv"):
        with pytest.raises(ConfigError, match=r"cannot be written(.|\n)*where: ") as failed:
            write_whole(target, b"x")
        assert str(target) in str(failed.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Whatever is made may be read by everybody, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_what_is_private_is_never_anybody_elses(tmp_path: Path) -> None:
    for private, mode in ((True, 0o600), (False, 0o666), (True, 0o600)):
        write_whole(tmp_path / "marks", b"new", private=private)
        assert stat.S_IMODE((tmp_path / "marks").stat().st_mode) == mode


def test_a_private_page_can_go_to_standard_output(capfdbinary: pytest.CaptureFixture) -> None:
    assert write_page("page", Path("-"), Path("usual"), private=True) == Path("-")
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"page"


def test_a_page_goes_to_its_usual_place_which_is_made(tmp_path: Path) -> None:
    usual = tmp_path / "deep" / "reports" / "page.html"
    assert write_page("é", None, usual).read_bytes() == "é".encode()
    asked = tmp_path / "nowhere" / "page.html"
    with pytest.raises(ConfigError, match="cannot be written"):
        write_page("é", asked, usual)  # a folder that was named is not made: it may be misspelt
    with pytest.raises(ConfigError, match=r"cannot be made(.|\n)*where: .*page.html/reports"):
        write_page("é", None, usual / "reports" / "page.html")


def test_a_check_shows_its_result_where_its_page_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nbgrader_config.py").write_text("")
    (tmp_path / "notebooks" / "tiny").mkdir(parents=True)
    (tmp_path / ".nbproctor").write_text("a file where the folder would be")
    monkeypatch.setenv("PLUSX_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(
        "nbproctor.commands.check.check_notebook", lambda *_: Report("tiny", (), (), 1.0)
    )
    command = ["check", "tiny", "--course", str(tmp_path), "--sandbox", Level.OFF]
    assert cli.main(command) == 2
    shown = capsys.readouterr()
    assert "tiny" in shown.out and "the folder cannot be made" in shown.err
