"""Attacks, and honest work that failed: each of these got through an earlier version."""

import copy
import html
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures import RIGHT, TINY, cell_of, fill, lesson, own_cell, write
from harness import judge_answers, judge_sources

from nbproctor.config import Limits
from nbproctor.course.lesson import load_lesson
from nbproctor.course.notebook import read_submission
from nbproctor.errors import BadReplyError
from nbproctor.grading.grade import grade_submission
from nbproctor.kernels.outputs import Outputs
from nbproctor.remote.wire import Decoder
from nbproctor.store.feedback import safe_markdown

MIB = 1 << 20
ROOT = Path(__file__).parents[2]
LIMITS = Limits(cell_timeout_s=8, call_timeout_s=8, test_timeout_s=15, interrupt_grace_s=2)
TORCH = "import torch\nfrom torch import nn\nimport numpy as np"


def grade(
    tmp_path: Path, answers: dict[str, str] | None = None, text: str = TINY, edit: Any = None
):
    loaded, released = lesson(tmp_path, text)
    made = fill(released, {**RIGHT, **(answers or {})})
    if edit:
        edit(made)
    submission = read_submission(write(tmp_path / "s.ipynb", made), loaded, LIMITS)
    result = grade_submission(loaded, submission, LIMITS)
    return result, {r.grade_id: str(r.verdict) for r in result.report.results}


def verdict(source: str, test: str, names: list[str], points: float = 1.0, hidden=range(0)) -> Any:
    asked = {"source": test, "names": names, "hidden": hidden, "points": points, "grade_id": "t"}
    return judge_sources([source], [TORCH], [asked])[0]


# (b) judge memory into the student kernel

HEART = """
import torch
from torch import nn
import nbproctor.remote.student as S
SIZES = (400, 464, 800, 864, 1200, 1600)
ROWS = [(10_000_000 + k, s) for s in SIZES for k in range(s * 1000, s * 1000 + 4)]
LEAK = []
def spec(n): return {"$": "tensor", "dtype": "uint8", "shape": [n], "device": "cpu", "grad": False}
def do_parameters(self, h, d, e): return [[f"p{i}", i, spec(0)] for i, _ in ROWS]
def do_pull(self, h, d, e): return e([torch.zeros(0, dtype=torch.uint8) for _ in h["parameters"]])
flip = [0]
def do_call(self, h, d, e):
    value = self.objects[h["of"]](*d(h["args"]), **d(h["kwargs"]))
    a = {"value": e(value)}
    if isinstance(value, torch.Tensor):
        flip[0] += 1
        a |= {"graph": 1, "parameters": [[i, spec(s if flip[0] % 2 else s - 8)] for i, s in ROWS]}
    return a
def do_push(self, h, d, e):
    LEAK.extend(v.numpy().tobytes() for v in d(h["values"]))
for f in (do_parameters, do_pull, do_call, do_push):
    assert hasattr(S.StudentEnd, f.__name__)
    setattr(S.StudentEnd, f.__name__, f)
class Block(nn.Module):
    def forward(self, x): return (0 * x).requires_grad_()
    def leaked(self): return sum(b != 0 for part in LEAK for b in part)
"""


def test_judge_memory_is_not_sent_to_the_student() -> None:
    test = (
        "block = Block(); list(block.parameters())\n"
        "for size in (1, 2, 3, 4):\n"
        "    x = torch.randn(size, 100); expected = x * 1234.5; y = block(x)\n"
        "assert block.leaked() == 0"
    )
    assert verdict(HEART, test, ["Block"]).verdict == "passed"


# (a) marks


def test_a_numpy_score_is_a_score() -> None:
    test = "score = np.sum([f(x) == x for x in (1, 2)])\nscore"
    assert verdict("def f(x): return 0", test, ["f"], points=2).score == 0


def test_stop_iteration_does_not_end_a_tests_loop() -> None:
    test = "for got, want in zip(map(f, [1, 2]), [2, 4]): assert got == want"
    assert verdict("def f(x): raise StopIteration", test, ["f"]).verdict == "failed"


def test_an_import_of_a_solution_cell_stays_trusted(tmp_path: Path) -> None:
    text = TINY.replace("import math", "import numpy as np")
    text = text.replace("# %% solution double\n", "# %% solution double\nimport numpy as np\n")
    text = text.replace("assert double(2) == 4", "np.testing.assert_allclose(double(2), 4)")
    text = text.replace('assert double(3) == 6, "three is not doubled"\n', "")
    text = text.replace('assert double([1]) == [1, 1], "a list is not doubled"\n', "")
    fake = (
        "class np:\n    class testing:\n        assert_allclose = staticmethod(lambda *a: None)\n"
    )
    found = grade(tmp_path, {"double": fake + "def double(x): return 'nonsense'"}, text)[1]
    assert found["test_double"] == "failed"


def test_a_judges_own_weights_cannot_be_overwritten() -> None:
    source = (
        "import torch\nclass M(torch.nn.Module):\n"
        "    def state_dict(self): return {'w': torch.zeros(2, 2), 'b': torch.zeros(2)}\n"
        "    def load_state_dict(self, state):\n        for t in state.values(): t.zero_()\n"
        "    def forward(self, x): return torch.zeros(len(x), 2)\n"
    )
    test = (
        "from plusx.weights import load_by_order\nreference = nn.Linear(2, 2)\nm = M()\n"
        "load_by_order(m, reference.state_dict())\nx = torch.randn(3, 2)\n"
        "with torch.no_grad():\n    y = m(x)\n    assert torch.allclose(y, reference(x))"
    )
    assert verdict(source, test, ["M"]).verdict == "failed"


ZERO_RESNET = """
class ResNet18(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self.classes, self.order = classes, []
        def conv(a, b, k): self.order.append(((b, a, k, k), 0))
        def norm(c): self.order.extend([((c,), 0), ((c,), 0), ((c,), 1), ((c,), 1)])
        conv(3, 64, 7); norm(64); c = 64
        for w in (64, 128, 256, 512):
            for s in (c, w):
                conv(s, w, 3); norm(w); conv(w, w, 3); norm(w)
                if s != w: conv(s, w, 1); norm(w)
            c = w
        self.order.extend([((classes, 512), 0), ((classes,), 0)])
        for n, (shape, buffer) in enumerate(self.order):
            if not buffer: self.register_parameter(f"t{n:03}", nn.Parameter(torch.zeros(shape)))
    def state_dict(self, *a, **k):
        return {f"t{n:03}": torch.zeros(shape) for n, (shape, _) in enumerate(self.order)}
    def load_state_dict(self, state, *a, **k):
        for t in state.values(): t.zero_()
    def forward(self, x):
        return torch.zeros(x.shape[0], self.classes, device=x.device)
"""


def test_resnet18_of_zeros_gets_no_marks(tmp_path: Path) -> None:
    paths = [
        ROOT / d / "02_residual_block/02_residual_block.ipynb" for d in ("solutions", "notebooks")
    ]
    loaded = load_lesson(*paths)
    made = json.loads(paths[1].read_text())
    for cell in made["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "resnet18":
            cell["source"] = ZERO_RESNET
    submission = read_submission(write(tmp_path / "s.ipynb", json.dumps(made)), loaded, Limits())
    report = grade_submission(loaded, submission, Limits(), paths[1].parent).report
    assert {r.grade_id: r.score for r in report.results}["test_resnet18"] == 0


def test_in_place_changes_are_seen_without_version_counters() -> None:
    test = "x = torch.randn(3); c = x.clone(); f(x); assert torch.equal(x, c)"
    assert verdict("def f(x): x.data.zero_()", test, ["f"]).verdict == "failed"


def test_in_place_changes_of_lists_and_arrays_are_seen() -> None:
    changed = "x = [2, 1]; f(x); assert x == [2, 1]"
    assert verdict("def f(x): x.sort()", changed, ["f"]).verdict == "failed"
    array = "x = np.zeros(2); g(x); assert (x == 0).all()"
    assert verdict("def g(x): x += 1", array, ["g"]).verdict == "failed"


# (c) grade_submission raises, autograde fails

FORGE = """
import html
import json
k = get_ipython().kernel; s = k.session
def raw(kind, content, parent=json.dumps(k.get_parent()["header"], default=str)):
    header = json.dumps(s.msg_header(kind), default=str)
    parts = [header.encode(), parent.encode(), b"{}", content.encode()]
    k.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", s.sign(parts)] + parts)
"""


@pytest.mark.parametrize(
    "source",
    [
        "def double(x): raise ValueError('\\ud800')",
        FORGE + "raw('stream', json.dumps({'name': 'stdout', 'text': '\\ud800'}))",
    ],
)
def test_a_graded_notebook_can_be_written(tmp_path: Path, source: str) -> None:
    json.dumps(grade(tmp_path, {"double": source})[0].notebook, ensure_ascii=False).encode()


def test_no_message_lifts_the_output_limit(tmp_path: Path) -> None:
    lift = f"{FORGE}raw('_init__', '1000000000000')\nprint('y' * 3_000_000)"
    assert len(json.dumps(grade(tmp_path, {"double": lift})[0].notebook)) < 2_000_000


def test_errors_without_traceback_count_as_output(tmp_path: Path) -> None:
    flood = (
        "for i in range(2000): raw('error', json.dumps({'ename': 'e' * 200, 'evalue': 'v' * 2000}))"
    )
    assert len(json.dumps(grade(tmp_path, {"double": FORGE + flood})[0].notebook)) < 2_000_000


# (d) feedback


@pytest.mark.parametrize(
    "src", ["https&#58;//x.example/a.png", "&#47;/x.example/a", "&#1;//x.example/a"]
)
def test_images_from_elsewhere_in_character_references(src: str) -> None:
    assert "x.example" not in safe_markdown(f'<img src="{src}">')


# (e) honest work


def test_a_split_solution_cell(tmp_path: Path) -> None:
    def split(made: Any) -> None:
        cell = cell_of(made, "double")
        first = copy.deepcopy(cell)
        first["id"], first["source"] = "first", "def twice(x):\n    return 2 * x"
        cell["source"] = "double = twice"
        made.cells.insert(made.cells.index(cell), first)

    assert grade(tmp_path, edit=split)[1]["test_double"] == "passed"


def test_a_given_cell_repeated_below(tmp_path: Path) -> None:
    def repeat(made: Any) -> None:
        at = made.cells.index(cell_of(made, "half"))
        made.cells[at:at] = [own_cell("import math"), own_cell("two = double(1)")]
        cell_of(made, "half")["source"] = "def half(x):\n    return x / two"

    assert grade(tmp_path, edit=repeat)[1]["test_half"] == "passed"


@pytest.mark.parametrize("line", ["globals = {}", "__import__ = 3"])
def test_a_learners_name_that_the_grader_uses(tmp_path: Path, line: str) -> None:
    assert grade(tmp_path, {"double": f"{line}\n{RIGHT['double']}"})[1]["test_half"] == "passed"


def test_a_module_written_beside_the_notebook(tmp_path: Path) -> None:
    def edit(made: Any) -> None:
        made.cells.insert(1, own_cell("%%writefile helper.py\ndef f(x): return 2 * x"))
        cell_of(made, "double")["source"] = "from helper import f\ndef double(x): return f(x)"

    text = TINY.replace('assert double([1]) == [1, 1], "a list is not doubled"\n', "")
    assert grade(tmp_path, text=text, edit=edit)[1]["test_double"] == "passed"


def test_crlf_is_no_answer(tmp_path: Path) -> None:
    loaded, released = lesson(tmp_path)
    for cell in released.cells:
        cell["source"] = cell["source"].replace("\n", "\r\n")
    submission = read_submission(write(tmp_path / "s.ipynb", released), loaded, LIMITS)
    report = grade_submission(loaded, submission, LIMITS).report
    assert {str(r.verdict) for r in report.results} == {"not answered"}


def test_a_live_plot_keeps_its_last_frame(tmp_path: Path) -> None:
    live = """
import base64, os
from IPython.display import display, clear_output
for i in range(60):
    clear_output(wait=True)
    picture = base64.b64encode(os.urandom(30000)).decode()
    display({"image/png": picture, "text/plain": f"frame {i}"}, raw=True)
"""
    assert "frame 59" in json.dumps(grade(tmp_path, {"double": live + RIGHT["double"]})[0].notebook)


@pytest.mark.parametrize(
    ("source", "test", "name"),
    [
        (
            "net = nn.Linear(2, 1)\ndef f(x): return net(x)",
            "f(torch.ones(1, 2)).sum().backward()",
            "f",
        ),
        ("def f(x): return torch.sort(x)", "assert f(torch.tensor([2., 1.])).values[0] == 1", "f"),
        ("def f(): return np.arange(3, dtype='>i4')", "assert (f() == np.arange(3)).all()", "f"),
        ("def f(): return np.longdouble(1)", "assert f() == 1", "f"),
        ("def f(): return b'ab'", "assert f() == b'ab'", "f"),
        ("import enum\nclass E(enum.IntEnum): A = 1\ndef f(): return E.A", "assert f() == 1", "f"),
    ],
)
def test_honest_results(source: str, test: str, name: str) -> None:
    assert verdict(f"{TORCH}\n{source}", test, [name]).verdict == "passed"


def test_a_kernel_that_does_not_call_the_judge_costs_no_time(tmp_path: Path) -> None:
    mute = "get_ipython().run_cell_async = lambda *a, **k: None"
    began = time.monotonic()
    found = grade(tmp_path, {"double": mute})[1]
    assert found["test_double"] == found["test_half"] == "kernel died"
    assert time.monotonic() - began < LIMITS.call_timeout_s


def test_names_of_displays_are_short() -> None:
    """They are no output, and yet are kept as long as the displays are."""
    outputs = Outputs(MIB)
    for n in range(3):
        outputs.add(
            "display_data",
            {"data": {"text/plain": "x"}, "transient": {"display_id": f"{n}" + "a" * MIB}},
        )
    assert [cell["data"] for cell in outputs.cells] == [{"text/plain": "x"}] * 3
    assert outputs.displays == {}


def test_empty_lines_of_a_traceback_count_as_output() -> None:
    outputs = Outputs(MIB)
    outputs.add("error", {"ename": "E", "evalue": "", "traceback": [""] * 100_000})
    assert [cell["output_type"] for cell in outputs.cells] == ["stream"]


TWO_HIDDEN_PARTS = """\
# %% solution double
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% test test_double 1
assert double(2) == 4
### BEGIN HIDDEN TESTS
assert double(3) == 6
### END HIDDEN TESTS
assert double(4) == 8
### BEGIN HIDDEN TESTS
assert double(7) == 14
### END HIDDEN TESTS
"""


@pytest.mark.parametrize("wrong", [2, 3, 4, 7])
def test_no_hidden_part_is_shown(tmp_path: Path, wrong: int) -> None:
    tiny, _ = lesson(tmp_path, TWO_HIDDEN_PARTS)
    answer = f"def double(x):\n    return 2 * x * (x != {wrong})"
    [outcome] = judge_answers(tiny, {"double": answer}, [tiny.cells[1]])
    assert outcome.verdict == "failed"
    assert (f"double({wrong})" in outcome.message) == (wrong in (2, 4))


@pytest.mark.parametrize("last", ["(np.ones(3) == f(1)).all()", "torch.tensor(1.0) == f(1)"])
def test_true_of_a_library_is_true(last: str) -> None:
    assert verdict("def f(x): return x", last, ["f"]).verdict == "passed"
    assert verdict("def f(x): return -x", last, ["f"]).verdict == "failed"


ENDLESS = TINY.replace("assert double(2) == 4", "assert sum(1 for _ in range(double(2))) == 4")


@pytest.mark.parametrize("cpu_s", [2, 60])
def test_a_check_that_a_value_keeps_busy(tmp_path: Path, cpu_s: float) -> None:
    """It is the answer that fails, not the grader, whichever limit comes first."""
    loaded, released = lesson(tmp_path, ENDLESS)
    made = fill(released, {**RIGHT, "double": "def double(x):\n    return 10 ** 18"})
    limits = replace(LIMITS, cell_cpu_s=cpu_s, test_timeout_s=5)
    submission = read_submission(write(tmp_path / "s.ipynb", made), loaded, limits)
    results = grade_submission(loaded, submission, limits).report.results
    assert [str(r.verdict) for r in results[:2]] == ["timed out", "passed"]


def test_an_integer_that_could_not_go_back_is_not_taken() -> None:
    """The learner's process may claim one; a test that hands it on would be at fault."""
    decode = Decoder(bytearray(), lambda data: None)
    assert decode(10**1000) == 10**1000
    with pytest.raises(BadReplyError, match="digits"):
        decode([10**4200])


@pytest.mark.parametrize("text", ["\\begin{a}" * 14_000, "<div>" * 5000, "[" * 200_000])
def test_a_long_markdown_text_is_shown_as_it_was_written(text: str) -> None:
    """To render the first one took ten seconds, and four times as long for twice as much."""
    began = time.process_time()
    assert safe_markdown(text) == f"<pre>{html.escape(text)}</pre>"
    assert time.process_time() - began < 5
