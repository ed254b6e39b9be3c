"""SIGKILL at any moment to any process of `nbproctor grade`: the next run completes every mark."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from fixtures import TINY, notebook, write
from killing import Job, Server, command_of, descendants
from test_kills import (
    AT_ONCE,
    NEW,
    OLD,
    ROOT,
    Length,
    Situation,
    Trial,
    check_after_kill,
    check_leftovers,
    check_rerun,
    die_at,
    hand_in,
    is_running,
    kill,
    length,
    lost,
    run_trials,
)

from nbproctor.store.gradebook import Course

__all__ = ["length"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for victims in /proc"),
]

WORKERS = 2


@pytest.fixture(scope="module")
def servers() -> Iterator["SimpleQueue[Server]"]:
    made = [Server() for _ in range(AT_ONCE)]
    idle: SimpleQueue[Server] = SimpleQueue()
    for server in made:
        idle.put(server)
    yield idle
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def situations(
    tmp_path_factory: pytest.TempPathFactory, servers: "SimpleQueue[Server]"
) -> list[Situation]:
    """Nothing graded yet; all graded and to be executed again; all graded and handed in again."""
    first, again, changed = (
        Situation(name, tmp_path_factory.mktemp(name), force=name == "again", workers=WORKERS)
        for name in ("first", "again", "changed")
    )
    shutil.copy(ROOT / "nbgrader_config.py", first.template)
    write(first.template / "solutions" / "tiny" / "tiny.ipynb", notebook(TINY))
    Course(first.template).release("tiny")
    server = servers.get()
    for situation, answers in ((again, NEW), (changed, OLD)):
        shutil.copytree(first.template, situation.template, dirs_exist_ok=True)
        hand_in(situation.template, answers)
        scratch = tmp_path_factory.mktemp("scratch")
        assert server.wait(server.start(Job(situation.template, scratch, workers=WORKERS))) == 0
    servers.put(server)
    hand_in(first.template, NEW)
    hand_in(changed.template, NEW)
    return [first, again, changed]


def test_control_process_killed_at_any_moment(
    servers: "SimpleQueue[Server]", situations: list[Situation], length: Length
) -> None:
    def control_at_a_moment(trial: Trial) -> None:
        with length.of_a_miss(trial):
            pid = trial.server.start(trial.job())
            time.sleep(trial.rng.uniform(0, length.seconds))
            trial.hit = "control" if is_running(pid) and kill(pid) else "nothing"
            trial.expect(trial.server.wait(pid) in (0, -signal.SIGKILL), "the run failed")
        check_after_kill(trial)
        check_rerun(trial)

    hit = run_trials(control_at_a_moment, 24, situations, servers)
    assert hit["control"] >= 10, hit


def test_control_process_killed_between_any_two_file_operations(
    servers: "SimpleQueue[Server]", situations: list[Situation]
) -> None:
    def control_at_a_file(trial: Trial) -> None:
        die_at(trial, file_event=trial.rng.randint(1, 24))

    hit = run_trials(control_at_a_file, 18, situations, servers)
    assert hit["control"] >= 9, hit


def test_control_process_killed_while_the_gradebook_changes(
    servers: "SimpleQueue[Server]", situations: list[Situation]
) -> None:
    first, _, changed = situations  # the same marks again change nothing

    def control_at_a_statement(trial: Trial) -> None:
        die_at(trial, statement=trial.rng.randint(1, 5 if trial.situation is first else 2))

    hit = run_trials(control_at_a_statement, 10, [first, changed], servers)
    assert hit["control"] >= 5, hit


def test_anything_below_killed_at_any_moment(
    servers: "SimpleQueue[Server]", situations: list[Situation], length: Length
) -> None:
    """The run goes on. At most the cell that was hit loses its points, and nothing else is lost.

    Before there are workers, a process that finds out about the machine may be hit: that ends the
    run, which has not begun.
    """

    def anything_below(trial: Trial) -> None:
        with length.of_a_miss(trial):
            pid = trial.server.start(trial.job())
            time.sleep(trial.rng.uniform(0, length.seconds))
            # On a busy machine there may be nothing to hit yet.
            while not (victims := list(descendants(pid))) and is_running(pid):
                time.sleep(0.02)
            begun = any("nbproctor.crew.worker" in command_of(victim) for victim in victims)
            if victims and kill(trial.rng.choice(victims)):
                trial.hit = "something"
            goes_on = trial.server.wait(pid) == 0
            trial.expect(goes_on or not begun, "the run did not go on")
        check_leftovers(trial)
        waiting = Course(trial.folder).unfinished("tiny")
        losses = [r for student in NEW if student not in waiting for r in lost(trial, student)]
        trial.expect(len(losses) <= 1, f"more than one cell was lost: {losses}")
        check_rerun(trial, force=bool(losses))

    hit = run_trials(anything_below, 24, situations, servers)
    assert hit["something"] >= 10, hit
