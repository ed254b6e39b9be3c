"""Every plausible wrong answer fails its hidden tests, every honest variant passes them.

The answers run in a process of their own and the tests in the judge, as when a class is graded.
"""

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cases import Mutant, Variant
from harness import judge_answers

from nbproctor.course.lesson import Cell, Lesson, Role, load_lesson
from nbproctor.course.records import Verdict
from nbproctor.remote.judge import Outcome

ROOT = Path(__file__).parents[2]
LESSONS = {
    "00_start": "start_cases",
    "01_degradation": "degradation_cases",
    "02_residual_block": "residual_block_cases",
    "03_bottlenecks": "bottlenecks_cases",
    "04_identity_mappings": "identity_mappings_cases",
    "05_unraveled": "unraveled_cases",
    "06_transformer_residuals": "transformer_cases",
    "07_dense_and_unet": "dense_cases",
    "08_continuous_depth": "continuous_depth_cases",
    "09_depth_challenge": "depth_challenge_cases",
}
MUTANTS = [
    pytest.param(name, mutant, id=f"{name[:2]}-{mutant.exercise}-{mutant.name}")
    for name, module in LESSONS.items()
    for mutant in importlib.import_module(module).MUTANTS
]
VARIANTS = [
    pytest.param(name, variant, id=f"{name[:2]}-{variant.exercise}-{variant.name}")
    for name, module in LESSONS.items()
    for variant in importlib.import_module(module).VARIANTS
]


@cache
def lesson(name: str) -> Lesson:
    return load_lesson(*(ROOT / d / name / f"{name}.ipynb" for d in ("solutions", "notebooks")))


def cells_testing(lesson: Lesson, exercise: str) -> list[Cell]:
    """The test cells whose answers include this exercise's cell."""
    return [
        cell
        for cell in lesson.graded
        if cell.role is Role.TEST
        and exercise in [answer.grade_id for answer in lesson.answers_tested_by(cell)]
    ]


def outcomes(name: str, case: Mutant | Variant) -> list[Outcome]:
    loaded = lesson(name)
    source = case.text(loaded.by_grade_id[case.exercise].full)
    return judge_answers(loaded, {case.exercise: source}, cells_testing(loaded, case.exercise))


@pytest.mark.parametrize(("name", "mutant"), MUTANTS)
def test_a_mutant_is_caught_and_named(name: str, mutant: Mutant, record_case: Any) -> None:
    found = outcomes(name, mutant)
    failed = [outcome for outcome in found if outcome.verdict is not Verdict.PASSED]
    messages = [outcome.message.replace("\n", " ") for outcome in failed]
    said = " / ".join(messages) or "PASSED"
    record_case(name, "mutant", mutant.exercise, mutant.name, said)
    assert failed, "the hidden tests let this wrong answer pass"
    assert all(outcome.verdict is not Verdict.GRADER_ERROR for outcome in found), messages
    assert any(mutant.says.lower() in message.lower() for message in messages), messages


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_an_honest_variant_passes(name: str, variant: Variant, record_case: Any) -> None:
    found = outcomes(name, variant)
    said = ", ".join(o.verdict for o in found)
    record_case(name, "variant", variant.exercise, variant.name, said)
    assert found
    assert [o for o in found if o.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("name", LESSONS)
def test_the_lessons_own_solutions_pass(name: str) -> None:
    tests = [cell for cell in lesson(name).graded if cell.is_code]
    found = judge_answers(lesson(name), {}, tests)
    assert [o for o in found if o.verdict is not Verdict.PASSED] == []


def test_there_are_enough_cases() -> None:
    for name, module in LESSONS.items():
        cases = importlib.import_module(module)
        if name == "00_start":  # one line to write
            continue
        assert len(cases.MUTANTS) >= 25
        assert len(cases.VARIANTS) >= 10
