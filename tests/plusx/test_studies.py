"""Every shipped study: complete, with its command, and all of them belong to somebody."""

import json

import pytest

from plusx import (
    ArgumentError,
    challenge_studies,
    continuous_studies,
    dense_studies,
    load_reference,
    reference,
    transformer_studies,
    unraveled_conv,
)
from plusx.reference import reference_folder

MODULES = (reference, transformer_studies, dense_studies, continuous_studies)
ALL = [pytest.param(module, name, id=name) for module in MODULES for name in module.STUDIES]


@pytest.mark.parametrize(("module", "name"), ALL)
def test_a_file_holds_all_cases_of_its_study_and_its_command(module, name):
    runs, cases = load_reference(name, module.STUDIES), module.STUDIES[name]()
    assert list(runs) == [case.key for case in cases]
    for case in cases:
        for what, values in vars(runs[case.key]).items():
            assert values.shape == (case.seeds, case.recipe.epochs + 1)
            may_diverge = module is reference and what == "train_loss"
            assert values.isfinite().all() or may_diverge, what
    path = reference_folder() / f"{name}.json"
    content = json.loads(path.read_text())
    assert content["command"] == f"python -m {module.__name__} {name}"
    assert content["made_with"].keys() == {"python", "torch"}
    assert path.stat().st_size < 200_000


def test_every_file_belongs_to_a_study():
    known = {
        name for module in (*MODULES, unraveled_conv, challenge_studies) for name in module.STUDIES
    }
    assert {path.stem for path in reference_folder().glob("*.json")} == known


@pytest.mark.parametrize("module", MODULES[1:])
def test_a_lessons_studies_are_its_own(module):
    for name in module.STUDIES:
        assert module.load_study(name).keys() == load_reference(name, module.STUDIES).keys()
    with pytest.raises(ArgumentError, match="no such study") as caught:
        module.load_study("degradation_grid")
    assert all(name in str(caught.value) for name in module.STUDIES)
