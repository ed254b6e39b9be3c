"""A new course folder, and that everything works in it at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbproctor.building.build import build_course
from nbproctor.building.init_course import FILES, LESSON, TEMPLATES, make_course
from nbproctor.commands.cli import main
from nbproctor.course.variants_secret import HANDED_OUT, SECRET
from nbproctor.errors import ConfigError
from nbproctor.store.places import course_config


def test_every_template_becomes_a_file(tmp_path: Path) -> None:
    assert {path.name for path in TEMPLATES.iterdir()} == set(FILES)
    made = make_course(tmp_path / "deep" / "means")
    assert {str(path.relative_to(tmp_path / "deep" / "means")) for path in made} == set(
        FILES.values()
    )
    assert all("@COURSE@" not in path.read_text(encoding="utf-8") for path in made)
    assert (tmp_path / "deep/means/README.md").read_text().startswith("# means\n")
    ignored = (tmp_path / "deep/means/.gitignore").read_text().splitlines()
    assert f"/{SECRET}" in ignored and f"/{HANDED_OUT.partition('/')[0]}/" in ignored


def test_the_name_is_the_folders_or_a_given_one(tmp_path: Path) -> None:
    make_course(tmp_path / "means-26")
    assert course_config(tmp_path / "means-26").CourseDirectory.course_id == "means-26"
    make_course(tmp_path / "a folder", "means-26")
    assert course_config(tmp_path / "a folder").CourseDirectory.course_id == "means-26"


def test_an_empty_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "means").mkdir()
    monkeypatch.chdir(tmp_path / "means")
    assert main(["init", "."]) == 0
    assert (tmp_path / "means" / "nbgrader_config.py").is_file()


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match=r"not empty(.|\n)*got: README.md"):
        make_course(tmp_path, "means")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_course_is_not_made_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "means"
    assert main(["init", str(folder)]) == 0
    assert f"cd {folder}" in capsys.readouterr().out
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    assert main(["init", str(folder)]) == 2
    assert "the folder is not empty" in capsys.readouterr().err
    assert (folder / "nbgrader_config.py").read_text() == "c = get_config()\n"


@pytest.mark.parametrize("name", ["", "my course", "a+b", "../x", "-x", "é", "x" * 61, "a\nb"])
def test_a_name_that_paths_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot have this name"):
        make_course(tmp_path / "means", name)
    assert not (tmp_path / "means").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "means").write_text("mine")
    with pytest.raises(ConfigError, match="a file of this name"):
        make_course(tmp_path / "means")
    with pytest.raises(ConfigError, match="Not a directory"):
        make_course(tmp_path / "means" / "below")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="File exists"):
        make_course(tmp_path / "link", "means")


@pytest.mark.slow
def test_all_works_in_it_at_once(tmp_path: Path) -> None:
    """Build, and the made-up class through every step, as the command says when it is done."""
    folder = tmp_path / "means"
    make_course(folder)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        "nbproctor build && nbproctor demo && nbproctor check 01",
        shell=True,
        cwd=folder,
        env={**environment, "PLUSX_PROGRESS": str(tmp_path / "progress.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{LESSON}: all 6 students got the expected scores and verdicts." in done.stdout
    assert "a second time, by nbgrader autograde: the same marks." in done.stdout
    released = (folder / "notebooks" / LESSON / f"{LESSON}.ipynb").read_text()
    assert "HIDDEN" not in released and "MARK SCHEME" not in released
    build_course(folder, check=True, say=lambda line: None)
