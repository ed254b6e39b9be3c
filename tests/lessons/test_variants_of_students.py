"""Exercises with parameters: each of their values is as fair and as strict as the default."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from cases import Mutant, Variant
from harness import judge_answers

from nbproctor.course.lesson import Cell, Lesson, Role, load_lesson
from nbproctor.course.records import Verdict
from nbproctor.course.variants import Choice, Values, put_in

ROOT = Path(__file__).parents[2]
MODULES = {"03_bottlenecks": "bottlenecks_cases"}


def lesson(name: str) -> Lesson:
    return load_lesson(*(ROOT / d / name / f"{name}.ipynb" for d in ("solutions", "notebooks")))


LESSONS = {name: lesson(name) for name in MODULES}
CHOICES = [(name, choice) for name, loaded in LESSONS.items() for choice in loaded.choices]
ROWS = [
    pytest.param(name, choice, row, id=f"{name[:2]}-{choice.exercise}-{tuple(row.values())}")
    for name, choice in CHOICES
    for row in choice.rows
]


def cells_testing(loaded: Lesson, exercise: str) -> list[Cell]:
    cells = [cell for cell in loaded.graded if cell.role is Role.TEST]
    return [c for c in cells if exercise in [a.grade_id for a in loaded.answers_tested_by(c)]]


def cases_of(name: str, exercise: str, kind: str) -> list[Any]:
    """Its mutants or variants, but for mistakes that are the parameter itself."""
    cases = getattr(importlib.import_module(MODULES[name]), kind)
    mine = [case for case in cases if case.exercise == exercise]
    return [case for case in mine if "another's" not in case.name]


def judged(name: str, choice: Choice, row: Values, case: Mutant | Variant) -> list[Any]:
    """What the judge says of a case, written by somebody who holds this row."""
    source = case.text(LESSONS[name].by_grade_id[choice.exercise].full)
    varied = LESSONS[name].varied(row)
    answers = {choice.exercise: put_in(source, varied.variant)}
    return judge_answers(varied, answers, cells_testing(varied, choice.exercise))


def test_a_lesson_of_the_course_has_variants() -> None:
    assert CHOICES


@pytest.mark.parametrize(("name", "choice", "row"), ROWS)
def test_the_solution_and_honest_answers_pass(name: str, choice: Choice, row: Values) -> None:
    varied = LESSONS[name].varied(row)
    (own,) = {o.verdict for o in judge_answers(varied, {}, cells_testing(varied, choice.exercise))}
    assert own is Verdict.PASSED
    cases = cases_of(name, choice.exercise, "VARIANTS")
    assert cases
    for case in cases:
        assert {o.verdict for o in judged(name, choice, row, case)} == {Verdict.PASSED}, case.name


@pytest.mark.parametrize(("name", "choice", "row"), ROWS)
def test_mistakes_are_caught_and_named(name: str, choice: Choice, row: Values) -> None:
    cases = cases_of(name, choice.exercise, "MUTANTS")
    assert len(cases) > 5
    for case in cases:
        outcomes = judged(name, choice, row, case)
        said = " / ".join(o.message for o in outcomes if o.verdict is not Verdict.PASSED)
        assert case.says.lower() in said.lower(), f"{case.name}: {said or 'passed'}"


@pytest.mark.parametrize(("name", "choice", "row"), ROWS)
def test_what_is_right_for_another_student_is_not(name: str, choice: Choice, row: Values) -> None:
    varied = LESSONS[name].varied(row)
    for other in (other for other in choice.rows if other != row):
        theirs = LESSONS[name].varied(other).by_grade_id[choice.exercise].full
        answers = {choice.exercise: theirs}
        outcomes = judge_answers(varied, answers, cells_testing(varied, choice.exercise))
        assert Verdict.PASSED not in {o.verdict for o in outcomes}, f"{other} passes for {row}"
