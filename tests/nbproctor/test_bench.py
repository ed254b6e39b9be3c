"""The benchmark: its class, its meter, its arithmetic and its page. No test asserts a time."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from nbproctor.bench import stages
from nbproctor.bench.arms import ARMS, Site
from nbproctor.bench.chart import draw
from nbproctor.bench.courses import environment, furnish, hand_in_class, plain
from nbproctor.bench.meter import Metered, metered
from nbproctor.bench.page import page
from nbproctor.bench.peer import _giving_points
from nbproctor.bench.record import Record, Run
from nbproctor.bench.simulation import simulate
from nbproctor.bench.spread import Spread, differing_marks, ratios, steady
from nbproctor.bench.stages import STAGES, Stopwatch
from nbproctor.bench.summary import compute_s, disagreements, failed, goals, recheck_s, rows
from nbproctor.bench.turns import Settings, Turns
from nbproctor.bench.workload import RESIDUALS, light_lesson, residuals, student
from nbproctor.course.lesson import Role, load_lesson
from nbproctor.errors import ConfigError
from nbproctor.grading import grade

ROOT = Path(__file__).parents[2]
ABOUT = {
    "machine": {"processor": "P", "cores": 2, "memory_gib": 4.0, "system": "Linux"},
    "versions": {"python": "3.11", "bytecode": "compiled"},
    "settings": {"turns": 2, "class_size": 12, "few": 4, "workers": 2},
    "date": "2026-01-01",
}


def a_run(arm: str, turn: int, each_wall_s: float, workers: int = 1, **about) -> Run:
    marks = {"a000000": {"test": 1.0}} if not arm.startswith("floor") else {}
    compute = 0.5 if arm == "floor" else None
    run = Run(
        RESIDUALS,
        arm,
        turn,
        workers,
        10.0,
        9.0,
        (5.0, 6.0),
        each_wall_s,
        each_wall_s,
        marks,
        compute,
    )
    return replace(run, **about)


def a_record(path: Path) -> Record:
    record = Record(path, ABOUT)
    for turn, factor in ((0, 1.0), (1, 2.0)):
        times = {"stock": 8.0, "one": 1.0, "floor": 0.5}
        record.add(*(a_run(arm, turn, factor * wall) for arm, wall in times.items()))
        times = {"workers": 0.4, "dask": 0.44, "floors": 0.25}
        record.add(*(a_run(arm, turn, factor * wall, 2) for arm, wall in times.items()))
    return record


# Arithmetic.


@pytest.mark.parametrize(
    ("finished", "workers", "expected"),
    [
        ((5.0, 6.0, 8.0), 1, (5.0, 2)),
        ((5.0, 5.5, 6.0, 6.5), 2, (5.5, 2)),
        ((5.0, 5.01, 5.02, 7.0, 7.01), 1, (5.02, 2)),  # batches
    ],
)
def test_start_up_is_left_out(finished, workers, expected):
    assert steady(finished, workers) == expected


@pytest.mark.parametrize(("finished", "workers"), [((5.0,), 1), ((5.0, 6.0), 2), ((5.0, 5.0), 1)])
def test_too_few_submissions_tell_nothing(finished, workers):
    with pytest.raises(ValueError, match="submissions"):
        steady(finished, workers)


def test_ratios_are_taken_turn_by_turn():
    found = ratios({0: 8.0, 1: 20.0, 5: 1.0}, {0: 1.0, 1: 2.0, 2: 7.0})
    assert found == Spread(9.0, 8.0, 10.0, 2)
    assert ratios({0: 1.0}, {1: 1.0}) is None


def test_a_spread_says_its_range():
    assert Spread.of([3.0, 1.0, 2.0]).text(1) == "2.0 (1.0 to 3.0)"
    assert Spread.of([3.0]).text() == "3.00"


def test_differing_marks_are_those_of_students_whom_both_graded():
    one = {"a": {"x": 1.0, "y": 2.0}, "b": {"x": 1.0}}
    assert differing_marks(one, {"a": {"x": 1.0, "y": None}, "c": {}}) == ["a, y: 2.0 and None"]
    assert differing_marks(one, one) == []


def test_cpu_time_between_samples_is_in_proportion():
    taken = Metered(0.0, 4.0, 6.0, ((1.0, 1.0), (3.0, 5.0)), (0,))
    assert [taken.cpu_at(t) for t in (0.5, 1.0, 2.0, 3.5, 9.0)] == [0.5, 1.0, 3.0, 5.5, 6.0]


def test_a_stopwatch_counts_the_inner_stage_alone():
    class Kitchen:
        def cook(self):
            clock.append(3.0)
            self.wash()
            clock.append(10.0)

        def wash(self):
            clock.append(4.0)

    clock = [0.0]
    watch = Stopwatch(clock=lambda: clock[-1])
    watch.watch("cooking", Kitchen, "cook")
    watch.watch("washing", Kitchen, "wash")
    Kitchen().cook()
    assert watch.seconds == {stages.OTHER: 0.0, "cooking": 3.0 + 6.0, "washing": 1.0}


def test_every_stage_times_something_that_exists():
    assert all(callable(getattr(owner, name)) for parts in STAGES.values() for owner, name in parts)


def test_a_second_look_is_scaled_by_what_each_submission_adds():
    looked = {"wall_s": 5.0, "at_s": [3.0 + 0.1 * n for n in range(10)]}
    assert recheck_s({"submissions": 1000, "recheck": looked}) == pytest.approx(5.0 + 9.0)
    assert recheck_s(None) is None


def test_the_cold_arm_takes_away_what_grading_uses(monkeypatch):
    monkeypatch.setattr(grade, "warm_server", warm := grade.warm_server)
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which the configuration adds to
    (cold,) = (arm for arm in ARMS if arm.name == "cold")
    exec(cold.course(ROOT).config, {"get_config": MagicMock()})
    assert grade.warm_server is not warm and grade.warm_server(set(), 1.0) is None


# The meter.

FAMILY = """
import os, sys, time
def work():
    while time.process_time() < 0.2: pass
if os.fork() == 0:  # an orphan: its parent does not wait for it
    work(); open(sys.argv[1], "w").write("done"); os._exit(0)
if (child := os.fork()) == 0:
    work(); os._exit(0)
os.waitpid(child, 0)
work()
"""


def test_the_meter_counts_children_and_orphans(tmp_path):
    program, told = tmp_path / "family.py", tmp_path / "told"
    program.write_text(FAMILY)
    command = [sys.executable, str(program), str(told)]
    taken = metered([command], tmp_path, environment(), tmp_path / "log", 60.0)
    assert taken.returncodes == (0,) and told.read_text() == "done"
    assert taken.cpu_s >= 3 * 0.2


def test_the_meter_ends_what_takes_too_long_and_what_serves(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    quick = [sys.executable, "-c", "pass"]
    taken = metered([quick], tmp_path, environment(), tmp_path / "log", 60.0, services=[sleeper])
    assert (taken.timed_out, taken.returncodes) == (False, (0,))
    taken = metered([sleeper], tmp_path, environment(), tmp_path / "log", 0.5)
    assert taken.timed_out and taken.returncodes != (0,)


LEAVER = """
import sys
from pathlib import Path
from nbproctor.bench.meter import metered
metered([[sys.executable, "-c", sys.argv[1]]], Path("/"), {}, Path(sys.argv[2]), 600.0)
"""
SLEEPER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_what_is_measured_ends_with_whoever_measures(tmp_path):
    log = tmp_path / "log"
    leaver = subprocess.Popen([sys.executable, "-c", LEAVER, SLEEPER, str(log)])
    until(lambda: log.is_file() and log.read_text().endswith("\n"))
    leaver.kill()
    leaver.wait()
    until(lambda: not Path("/proc", log.read_text().strip()).exists())


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# The class.


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A plain nbgrader course with the benchmark's lesson, and twenty submissions."""
    folder = tmp_path_factory.mktemp("course")
    furnish(folder, plain(), residuals(ROOT))
    made = hand_in_class(folder, plain(), residuals(ROOT), range(20))
    return Site(folder, plain(), residuals(ROOT), made, 2)


def test_no_two_students_hand_in_the_same(course):
    texts = [json.loads(path.read_text())["cells"] for path in course.submissions]
    answers = [tuple("".join(c["source"]) for c in cells) for cells in texts]
    assert len(set(answers)) == len(answers)
    assert len({path.parts[-3] for path in course.submissions}) == len(answers)


def test_the_class_is_the_same_in_every_run_and_has_wrong_answers(course):
    lesson = load_lesson(course.notebook("source"), course.notebook("release"))
    released = json.loads(course.notebook("release").read_text())
    again = residuals(ROOT)
    assert [p.read_bytes() for p in course.submissions] == [
        again.submission(n, lesson, released) for n in range(20)
    ]
    right = {again.right(n) for n in range(20)}
    assert 3 in right and right - {3}


def test_the_floor_executes_every_test(course):
    results = course.folder / "floor.jsonl"
    places = ["--source", course.notebook("source"), "--release", course.notebook("release")]
    command = [sys.executable, "-m", "nbproctor.bench.floor", *places, "--results", results]
    first = [p for p in course.submissions if p.parts[-3] in map(student, range(6))]
    subprocess.run([*map(str, command), "--workers", "2", *map(str, first)], check=True)
    told = {line["student"]: line for line in map(json.loads, results.read_text().splitlines())}
    assert told.keys() == {student(n) for n in range(6)}
    # A wrong third answer gives fewer points and raises nothing.
    for n in range(6):
        chosen = course.workload._chosen(n)
        wrong = {f"test_{name}" for name, (is_right, _) in chosen.items() if not is_right}
        assert set(told[student(n)]["errors"]) == wrong - {"test_gradient_gain"}


def test_the_peers_tests_say_how_many_points_they_give(course):
    lesson = load_lesson(course.notebook("source"), course.notebook("release"))
    tests = [cell for cell in lesson.cells if cell.role is Role.TEST]
    endings = [_giving_points(cell).splitlines()[-1] for cell in tests]
    ends = ["given_in_the_end = 3", "given_in_the_end = 2", "given_in_the_end = points"]
    assert endings == ends


@pytest.mark.slow
def test_stock_and_ours_give_the_same_marks(tmp_path):
    record = Record(tmp_path / "record.json", ABOUT)
    chosen = [arm for arm in ARMS if arm.name in ("stock", "one", "dask")]
    with Turns(ROOT, record, Settings(turns=1, class_size=10, few=3)) as turns:
        for arm in turns.missing(residuals(ROOT), chosen, 0):
            assert turns.run(residuals(ROOT), arm, 0).problem == ""
    assert {run.arm: len(run.marks) for run in record.runs} == {"stock": 3, "one": 10, "dask": 10}
    assert disagreements(record, RESIDUALS) == []
    kept = Record.read(record.path)
    assert kept.runs == record.runs
    given = {n: record.of(RESIDUALS, "stock")[0].marks[student(n)] for n in range(3)}
    right = {
        n: sum(v == m for v, m in zip(g.values(), (3.0, 2.0, 4.0), strict=True))
        for n, g in given.items()
    }
    assert right == {n: residuals(ROOT).right(n) for n in range(3)}


@pytest.mark.slow
def test_a_simulation_grades_everybody_and_then_nobody(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text((ROOT / "nbgrader_config.py").read_text())
    told = simulate(tmp_path, 100, 2, on_dask=False, say=lambda text: None)
    assert len(told["each_s"]) == 9 and len(told["grade"]["memory_mib"]) == 10
    assert told["gradebook_kib_each"] > 0 and told["ledger_kib_each"] > 0
    text = page(a_record(tmp_path / "r.json"), {"pool": told, "dask": told})
    assert "| submissions | 100 | 100 |" in text
    with pytest.raises(ConfigError, match="too few"):
        simulate(tmp_path, 10, 2, on_dask=False)


def test_the_light_lesson_has_wrong_answers_too(tmp_path):
    assert {light_lesson().right(n) for n in range(20)} == {0, 1}


# The record and the page.


def test_a_record_goes_on_where_it_stopped(tmp_path):
    record = a_record(tmp_path / "r.json")
    kept = Record.open(record.path, ABOUT, fresh=False)
    assert kept.runs == record.runs and kept.has(RESIDUALS, "stock", 1)
    assert not kept.has(RESIDUALS, "stock", 2)
    assert Record.open(record.path, ABOUT, fresh=True).runs == []


def test_what_failed_is_measured_again(tmp_path):
    record = a_record(tmp_path / "r.json")
    record.add(a_run("cold", 0, 0.0, problem="it was late"), probes={"memory": {"failed": "why"}})
    assert not record.has(RESIDUALS, "cold", 0) and not record.has_probe("memory")
    record.add(a_run("cold", 0, 7.0), probes={"memory": {"fork-server": 400.0}})
    assert record.has(RESIDUALS, "cold", 0) and record.has_probe("memory")
    assert len(record.of(RESIDUALS, "cold")) == 1 and failed(record) == []


def test_a_record_of_another_machine_is_refused(tmp_path):
    record = a_record(tmp_path / "r.json")
    other = {**ABOUT, "machine": {**ABOUT["machine"], "cores": 64}}
    with pytest.raises(ConfigError, match="--fresh"):
        Record.open(record.path, other, fresh=False)


def test_rows_hold_arms_against_stock_and_a_floor_of_as_many(tmp_path):
    record = a_record(tmp_path / "r.json")
    found = {row.arm: row for row in rows(record, RESIDUALS, ["one", "workers", "cold"])}
    assert found.keys() == {"one", "workers"}
    assert found["one"].faster.middle == pytest.approx(8.0)
    assert found["one"].over_floor.middle == pytest.approx(2.0)
    assert found["workers"].over_floor.middle == pytest.approx(1.6)
    assert compute_s(record, RESIDUALS) == 0.5


def test_goals_are_judged_by_what_was_measured(tmp_path):
    record = a_record(tmp_path / "r.json")
    record.add(probes={"latency": {"first_s": 6.0, "later_s": [3.0, 2.5, 4.0]}})
    verdicts = [goal.verdict for goal in goals(record, RESIDUALS, {})]
    assert verdicts[:4] == ["met", "missed by 33%", "missed by 7%", "missed by 50%"]
    assert verdicts[4:] == ["not measured", "met", "not measured", "not measured"]


def test_marks_that_differ_and_runs_that_failed_are_told(tmp_path):
    record = a_record(tmp_path / "r.json")
    record.add(a_run("cold", 0, 1.0, marks={"a000000": {"test": 0.0}}))
    record.add(a_run("tuned", 0, 1.0, problem="it was late"))
    assert disagreements(record, RESIDUALS) == ["cold, turn 1: a000000, test: 1.0 and 0.0"]
    assert failed(record) == ["tuned on residuals, turn 1: it was late"]
    text = page(record, {})
    assert "**Marks differ:**" in text and "it was late" in text


def test_the_page_says_what_was_measured(tmp_path):
    record = a_record(tmp_path / "r.json")
    record.add(probes={"memory": {"failed": "no /proc"}, "otter": {"failed": "no network"}})
    text = page(record, {})
    assert "{" not in text.replace("{workers}", "?")
    assert "| nbproctor, 2 workers | 0.60 (0.40 to 0.80) |" in text
    assert "| times as fast as stock nbgrader, two workers | at least 16 | 20 | met |" in text
    assert "is 0.50 s here" in text
    assert "Otter-Grader could not be run: no network" in text
    assert "not quiet" not in text
    record.add(a_run("cold", 0, 7.0, other_cores=0.7))
    assert "something else kept 0.7 cores busy" in page(record, {})


def test_the_figure_is_the_same_for_the_same_numbers(tmp_path):
    record = a_record(tmp_path / "r.json")
    known = rows(record, RESIDUALS, ["stock", "one", "workers"])
    titles = {row.arm: row.arm for row in known}
    picture = draw(known, titles, 0.5)
    assert picture == draw(known, titles, 0.5) and picture.startswith(b"<?xml")
