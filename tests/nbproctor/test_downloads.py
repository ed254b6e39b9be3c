"""Whose notebook a file is, by the names that Canvas and Moodle give to what they hand out."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from courses import course, nbgrader

CANVAS_ROSTER = """\
Student,ID,SIS Login ID,Section,tiny (77)
    Points Possible,,,,7
"Doe, Jane",4711,jane,A,
"Roe, Rob",4712,rob@x.edu,A,
"Poe, Pat",4713,,A,
"""
MOODLE_ROSTER = """\
Identifier,Full name,Email address,Status,Grade
Participant 815,Jane Doe,jane@x.edu,Submitted,
Participant 816,Rob Roe,rob@x.edu,Submitted,
"""
Collect = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return course(tmp_path_factory.mktemp("downloads"))


@pytest.fixture
def collect(released: Path, tmp_path: Path) -> Collect:
    """Collect an archive of these files, with a plugin: the texts of what came, by place."""

    def run(files: dict[str, str], plugin: str, roster: str = "", said: str = "") -> dict[str, str]:
        folder = tmp_path / "course"
        (folder / "downloaded/tiny/archive").mkdir(parents=True)
        config = (released / "nbgrader_config.py").read_text()
        config += f"c.ZipCollectApp.collector_plugin = 'nbproctor.store.downloads.{plugin}'\n"
        if roster:
            (folder / "roster.csv").write_text(roster)
            config += f"c.{plugin}.roster = 'roster.csv'\n"
        (folder / "nbgrader_config.py").write_text(config)
        (folder / "notebooks").symlink_to(released / "notebooks")
        with zipfile.ZipFile(folder / "downloaded/tiny/archive/submissions.zip", "w") as packed:
            for name, text in files.items():
                packed.writestr(name, text)
        assert said in nbgrader(folder, "zip_collect", "tiny", fails=bool(said))
        submitted = folder / "submitted"
        found = (path for path in submitted.rglob("*") if path.is_file())
        return {path.relative_to(submitted).as_posix(): path.read_text() for path in found}

    return run


CANVAS = {
    "doejane_4711_90001_tiny.ipynb": "first",
    "doejane_4711_90009_tiny-1.ipynb": "second",
    "roerob_LATE_4712_90002_tiny (1).ipynb": "late",
    "poepat_4713_90003_tiny.ipynb": "no login",
    "roerob_LATE_4712_90004_notes.txt": "not a notebook",
}


@pytest.mark.slow
def test_canvas(collect: Collect) -> None:
    assert collect(CANVAS, "CanvasCollector", CANVAS_ROSTER) == {
        "jane/tiny/tiny.ipynb": "second",
        "rob@x.edu/tiny/tiny.ipynb": "late",
    }


@pytest.mark.slow
def test_canvas_without_a_roster(collect: Collect) -> None:
    files = {**CANVAS, "anon_x7Kq2_90005_tiny.ipynb": "a", "LATE_anon_Ab_90006_tiny.ipynb": "b"}
    assert collect(files, "CanvasCollector") == {
        "4711/tiny/tiny.ipynb": "second",
        "4712/tiny/tiny.ipynb": "late",
        "4713/tiny/tiny.ipynb": "no login",
        "anon_x7Kq2/tiny/tiny.ipynb": "a",
        "anon_Ab/tiny/tiny.ipynb": "b",
    }


MOODLE = {
    "Jane Doe_815_assignsubmission_file/tiny.ipynb": "in a folder",
    "Jane Doe_815_assignsubmission_onlinetext/onlinetext.html": "words",
    "Rob Roe_816_assignsubmission_file_tiny (1).ipynb": "flat",
    "Pat Poe_817_assignsubmission_file_/deep/other.ipynb": "of the old kind",
}


@pytest.mark.slow
def test_moodle(collect: Collect) -> None:
    assert collect(MOODLE, "MoodleCollector", MOODLE_ROSTER) == {
        "jane@x.edu/tiny/tiny.ipynb": "in a folder",
        "rob@x.edu/tiny/tiny.ipynb": "flat",
    }


@pytest.mark.slow
def test_a_folder_says_whose_and_the_file_in_it_what_also_where_they_are_namesakes(
    collect: Collect,
) -> None:
    name = "Jane Doe_815_assignsubmission_file_tiny.ipynb"
    files = {f"{name}/{name}": "her own name for it", f"{name}/tiny.ipynb": "the lesson's"}
    assert collect(files, "MoodleCollector", MOODLE_ROSTER) == {
        f"jane@x.edu/tiny/{name}": "her own name for it",
        "jane@x.edu/tiny/tiny.ipynb": "the lesson's",
    }


@pytest.mark.slow
def test_moodle_without_a_roster(collect: Collect) -> None:
    twins = {f"Participant_{n}_assignsubmission_file_tiny.ipynb": f"{n}" for n in (1, 2)}
    assert collect(MOODLE | twins, "MoodleCollector") == {
        "Jane_Doe/tiny/tiny.ipynb": "in a folder",
        "Rob_Roe/tiny/tiny.ipynb": "flat",
        "Pat_Poe/tiny/other.ipynb": "of the old kind",
        "Participant_1/tiny/tiny.ipynb": "1",
        "Participant_2/tiny/tiny.ipynb": "2",
    }


@pytest.mark.slow
def test_a_table_that_is_no_roster_is_said_to_be_none(collect: Collect) -> None:
    said = "expected: a table with the columns ID and SIS Login ID"
    assert collect(CANVAS, "CanvasCollector", MOODLE_ROSTER, said) == {}
