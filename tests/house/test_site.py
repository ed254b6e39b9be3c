"""The parts of `make site`, each alone; tests/browser/test_site.py looks at the whole."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from docs.site import SiteError
from docs.site import __main__ as command
from docs.site.documents import document, front_page
from docs.site.lessons import lesson_page, read_lessons
from docs.site.links import check_links

ROOT = Path(__file__).parents[2]
START = "00_start"


def notebooks(name: str = START) -> tuple[dict[str, Any], dict[str, Any]]:
    paths = [ROOT / folder / name / f"{name}.ipynb" for folder in ("notebooks", "solutions")]
    released, executed = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    return released, executed


OTHER_LESSON = re.compile(r"\[(\d\d [\w -]+)\]\(\.\./\w+/\w+\.ipynb\)")


def text_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def site(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "docs.site", *options]
    return subprocess.run(
        line, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the course with its first lesson only."""
    for name in ("docs", f"solutions/{START}", f"notebooks/{START}"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in tmp_path.glob(f"*/{START}/{START}.ipynb"):  # it leads to all other lessons
        text = path.read_text(encoding="utf-8")
        path.write_text(OTHER_LESSON.sub(r"\1", text), encoding="utf-8")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("papers", "residual_ideas", "security"):  # they lead to what is not copied
        (tmp_path / f"docs/{name}.md").write_text(f"# {name}\n\nNothing.\n")
    return tmp_path


def test_a_lesson_has_its_solutions_folded_and_no_hidden_test() -> None:
    released, executed = notebooks()
    page = lesson_page(released, executed)
    texts = [text_of(cell) for cell in page["cells"]]
    stub = next(n for n, text in enumerate(texts) if text.startswith("def add_skip"))
    assert "raise NotImplementedError()" in texts[stub]
    solution = texts[stub + 1]
    assert solution.startswith(
        '<details class="solution"><summary>Solution</summary>\n\n```python\n'
    )
    assert solution.endswith("    return f(x) + x\n```\n\n</details>") and "(B, d)" in solution
    (test,) = [c for c in executed["cells"] if c["id"] == "test-add-skip"]
    assert "torch.neg" in text_of(test), "a line of a hidden test"
    assert not any("torch.neg" in text or "### BEGIN" in text for text in texts)
    assert "Exercise 1: the visible checks pass." in json.dumps(page["cells"][stub + 2]["outputs"])


def test_a_written_question_has_its_answer_and_its_marks_folded() -> None:
    page = lesson_page(*notebooks("02_residual_block"))
    (folded,) = [text_of(c) for c in page["cells"] if "A model answer" in text_of(c)]
    answer, marks = folded.split("</details>")[:2]
    assert "the gradient has a path that meets no weight" in answer and "1 point," not in answer
    assert "<summary>How it is marked</summary>" in marks and "**1 point, right" in marks
    assert "###" not in folded


def test_notebooks_of_different_sources_are_refused() -> None:
    released, executed = notebooks()
    released["cells"].pop()
    with pytest.raises(SiteError, match=r"'Start': .* have other cells"):
        lesson_page(released, executed)


def test_a_lesson_that_is_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="there are no lessons"):
        read_lessons(tmp_path)
    (tmp_path / "solutions/07_new").mkdir(parents=True)
    (tmp_path / "solutions/07_new/07_new.py").touch()
    with pytest.raises(SiteError, match="run `make build LESSON=07`"):
        read_lessons(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"[00](../solutions/{START}/{START}.ipynb)", f"[00](../lessons/{START}.ipynb)"),
        ("[a](scaling.md#limits)", "[a](scaling.md#limits)"),
        ("[no file](../a.toml), [file](../pyproject.toml)", "[no file](../a.toml), file"),
        ("![a figure](../pyproject.toml)", "![a figure](../pyproject.toml)"),
        ("```\n[a](../pyproject.toml)\n```\n", "```\n[a](../pyproject.toml)\n```\n"),
        ("[web](https://example.org/a.html)", "[web](https://example.org/a.html)"),
    ],
)  # fmt: skip
def test_links_of_documents_lead_where_the_site_has_it(text: str, expected: str) -> None:
    name = PurePosixPath("docs/security.md")
    assert document(text, name, {"docs/scaling.md"}, ROOT) == expected


def test_the_front_page_adds_up_what_the_lessons_say() -> None:
    header = {"title": "One", "minutes": 10, "points": 1, "needs": ["a", "lesson 02"]}
    lessons = {
        "01_one": {"metadata": {"lesson": header}},
        "02_two": {"metadata": {"lesson": header}},
    }
    page = front_page(
        "{{ number }} {{ minutes }} {{ points }}\n{{ lessons }}", lessons, {"More": ["x.md"]}
    )
    assert page.startswith("2 20 2\n{.lesson-map}\n- [**01 · One**](lessons/01_one.ipynb)")
    assert "10 minutes · 1 point\n" in page and "Needs: a. lesson 02." in page
    assert ":caption: More\n\nx.md\n" in page


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="sub/two.html#there">good</a><a href="#top">good</a>'
        '<a href="sub/two.html#gone">bad</a><a href="three.html">bad</a><img src="no.png">'
        '<a href="https://example.org">listed</a><img srcset="data:x 1x, no2.png 2x">'
    )
    (tmp_path / "sub/two.html").write_text('<p id="there"><a href="../index.html?a=1#top">good</a>')
    links = check_links(tmp_path)
    assert links.problems == [
        "index.html leads to sub/two.html#gone, and that page has no such place",
        "index.html leads to three.html, which is not there",
        "index.html leads to no.png, which is not there",
        "index.html leads to no2.png, which is not there",
    ]
    assert links.addresses == {"https://example.org"}


@pytest.mark.parametrize(
    "page",
    [
        "<script src='https://cdn.example/a.js'></script>",
        "<link rel='stylesheet' href='//cdn.example/a.css'>",
        "<link rel='preload' href='https://cdn.example/font.woff2'>",
        "<img src='https://cdn.example/a.png'>",
        "<p style='background: url(https://cdn.example/a.png)'>",
        "<style>@import 'https://cdn.example/a.css';</style>",
    ],
)
def test_what_would_be_fetched_from_elsewhere_is_found(tmp_path: Path, page: str) -> None:
    (tmp_path / "index.html").write_text(page)
    (problem,) = check_links(tmp_path).problems
    assert "cdn.example" in problem and problem.endswith("from elsewhere")


def test_a_font_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://cdn.example/a.woff2') }")
    (problem,) = check_links(tmp_path).problems
    assert problem == "a.css loads https://cdn.example/a.woff2 from elsewhere"


@pytest.mark.slow
def test_two_builds_are_the_same(course: Path, tmp_path: Path) -> None:
    made = [tmp_path / "made_1", tmp_path / "made_2"]
    for seed, folder in enumerate(made):
        done = site(course, "--output", str(folder), PYTHONHASHSEED=str(seed))
        assert done.returncode == 0, done.stderr
    first, second = ({p.relative_to(f): p for p in f.rglob("*") if p.is_file()} for f in made)
    assert first.keys() == second.keys() and len(first) > 20
    assert [
        str(name) for name in first if first[name].read_bytes() != second[name].read_bytes()
    ] == []
    assert str(tmp_path) not in (made[0] / "index.html").read_text()


@pytest.mark.slow
def test_what_is_wrong_is_said_and_the_old_site_stays(course: Path) -> None:
    (course / "site").mkdir()
    for name in ("index.html", "searchindex.js"):
        (course / "site" / name).write_text("old")
    wrong = {
        "[gone](gone.md)": "gone.md",
        "[nowhere](scaling.md#no-such-heading)": "no-such-heading",
        "```{unheardof}\n```": "unheardof",
    }
    with (course / "docs/training.md").open("a", encoding="utf-8") as page:
        page.write("\n" + "\n\n".join(wrong) + "\n")
    done = site(course)
    assert done.returncode == 1 and "plusx: the site was not built" in done.stderr
    assert [told for told in wrong.values() if told not in done.stderr] == []
    assert "docs/training.md:" in done.stderr and "Traceback" not in done.stderr
    assert (course / "site/index.html").read_text() == "old"


def test_a_folder_that_is_no_site_is_not_replaced(course: Path) -> None:
    (course / "mine").mkdir()
    (course / "mine/answers.txt").touch()
    done = site(course, "--output", "mine")
    assert done.returncode == 1 and "mine is there and is no site" in done.stderr
    assert (course / "mine/answers.txt").exists()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "NEEDED", ("sphinx", "no_such_package"))
    with pytest.raises(SiteError, match="no_such_package not installed"):
        command.build(ROOT, tmp_path / "site")
    assert not (tmp_path / "site").exists()
