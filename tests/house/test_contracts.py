"""Who may import whom: read from the import statements, at whatever depth they stand."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nbproctor.course.imports import imported_modules

ROOT = Path(__file__).parents[2]
PACKAGES = {"plusx": ROOT / "utils/plusx", "nbproctor": ROOT / "autograder/nbproctor"}

# From the bottom up: a module imports only modules that stand before it.
ORDER = {
    "plusx": (
        "errors files long_work advice shown_errors downloads expect own_notebook checking "
        "seeds device fingerprint costs lesions diagnose diagnose_depth diagnose_costs "
        "diagnose_bottlenecks paths unraveled diagnose_unraveled solvers recompute "
        "diagnose_continuous continuous models bottlenecks identity weights checks probes data "
        "augmentation execution surroundings stacks memory_limits checkpoints training "
        "train_loops bench_page bench_train shortcuts conv_units conv_lesions preactivation "
        "propagation gates starts memory diagnose_preactivation diagnose_propagation "
        "diagnose_gates checks_preactivation transformers streams diagnose_transformers "
        "transformer_checks dense reuse unet diagnose_dense diagnose_unet dense_checks "
        "segmentation denoising sequences sequence_training experiments trained reference "
        "full_scale transformer_studies dense_studies continuous_studies unraveled_conv "
        "challenge challenge_entry challenge_training challenge_studies diagnose_challenge "
        "plots own_progress path_plots full_scale_figures continuous_plots stamped_axis "
        "live_figure widgets block_explorer order_diagram propagation_explorer "
        "transformer_figures path_explorer dense_figures dense_explorer step_explorer "
        "challenge_explorer __init__"
    ).split(),
    "nbproctor": (
        "settings errors config files unused heap text spreadsheet trees scratch json_bounds "
        "course.__init__ course.variants course.variants_secret course.records course.lesson "
        "course.notebook course.imports course.graded_notebook course.sealed course.forbidden "
        "sandbox.__init__ sandbox.plan sandbox.nothing sandbox.syscalls sandbox.calls "
        "sandbox.seccomp sandbox.landlock sandbox.furnishing sandbox.mounts sandbox.gpus "
        "sandbox.cgroups sandbox.confine sandbox.warden sandbox.launch sandbox.huge_pages "
        "sandbox.forkserver sandbox.probe sandbox.process remote.__init__ remote.wire "
        "remote.student remote.proxy remote.gradients remote.judge kernels.__init__ "
        "kernels.outputs kernels.connection kernels.kernel_app kernels.zmtp kernels.channels "
        "kernels.kernel kernels.judge_process grading.__init__ grading.versions grading.grade "
        "grading.work grading.parcels store.__init__ store.accessible store.places "
        "store.locks store.gradebook_rows store.marks store.staging store.pages store.ledger "
        "store.collect store.downloads store.gradebook store.packing store.filing "
        "store.feedback building.__init__ building.init_course building.variants_source "
        "building.source building.stubs building.release building.executed building.public "
        "building.build building.times crew.__init__ crew.frames crew.worker crew.pool "
        "crew.headstart crew.node crew.cluster_settings crew.cluster_link crew.roster "
        "crew.cluster reports.__init__ reports.charts reports.report reports.class_marks "
        "reports.class_entries reports.class_picture reports.lesson_report "
        "reports.leaderboard classes.__init__ classes.classroom classes.watching classes.due "
        "classes.recorder classes.feedback_pages classes.desk classes.explain "
        "classes.classrun classes.proposal classes.regrade classes.regrade_report "
        "classes.variants_release classes.similarity classes.similarity_class "
        "classes.demo_course classes.demo results.__init__ results.handout results.gradescope "
        "results.formats results.canvas results.gradescope_zip results.exports bench.__init__ "
        "bench.workload bench.courses bench.meter bench.floor bench.spread bench.record "
        "bench.arms bench.turns bench.machine bench.peer bench.stages bench.memory "
        "bench.latency bench.probes bench.run bench.simulation bench.summary bench.chart "
        "bench.page bench.command commands.__init__ commands.doctor commands.check "
        "commands.progress commands.cli_options commands.cli_class commands.cli_results "
        "commands.cli_similarity commands.cli_variants commands.cli commands.start __init__"
    ).split(),
}
TORCH = {"wire", "student", "proxy", "gradients", "judge"}
NBGRADER = {
    "class_marks",
    "collect",
    "downloads",
    "exports",
    "feedback_pages",
    "filing",
    "gradebook",
    "gradebook_rows",
    "marks",
    "packing",
    "pages",
    "release",
    "staging",
}

MODULES = [
    pytest.param(package, path, id=f"{package}.{path.stem}")
    for package, folder in PACKAGES.items()
    for path in sorted(folder.rglob("*.py"))
]


def name_of(package: str, path: Path) -> str:
    """A module's name within its package: `grade`, `sandbox.plan`."""
    return ".".join(path.relative_to(PACKAGES[package]).with_suffix("").parts)


def imports_of(package: str, path: Path, only_on_import: bool = False) -> set[tuple[str, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if only_on_import:
        tree = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    return set(imported_modules(tree, package))


def neighbours(package: str, path: Path) -> set[str]:
    """Modules of the same package that a module imports."""
    found = set()
    for module, name in imports_of(package, path):
        parts = module.split(".")
        if parts[0] == package:
            inner = [*parts[1:], name]
            folder = PACKAGES[package].joinpath(*parts[1:])
            is_module = folder.joinpath(f"{name}.py").is_file()
            is_package = folder.is_dir()
            found.add(".".join(inner if is_module else [*parts[1:], *["__init__"] * is_package]))
    return found


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_imports_point_down(package: str, path: Path) -> None:
    order, name = ORDER[package], name_of(package, path)
    assert name in order, f"give {name} its place in ORDER"
    below = set(order[: order.index(name)])
    assert neighbours(package, path) <= below


def test_every_module_of_the_grader_has_its_place_in_the_architecture() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Modules of nbproctor")[2]
    named = {word.rpartition(".")[2] for word in re.findall(r"`([\w.]+)`", table)}
    missing = {
        name
        for name in ORDER["nbproctor"]
        if not name.endswith("__init__") and not name.startswith("bench.")  # `bench.*`, all
        if name.rpartition(".")[2] not in named
    }
    assert not missing, "tell their ideas in docs/architecture.md"


def test_the_grader_names_commands_that_every_course_has() -> None:
    """A course made by `nbproctor init` has no Makefile."""
    modules = PACKAGES["nbproctor"].rglob("*.py")
    assert not [path.name for path in modules if "`make " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_the_two_packages_do_not_know_each_other(package: str, path: Path) -> None:
    (other,) = PACKAGES.keys() - {package}
    tops = {module.split(".")[0] for module, _ in imports_of(package, path)}
    assert not tops & {other, "utils", "autograder", "tests"}


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_one_module_grades_through_nbgrader_and_one_releases(package: str, path: Path) -> None:
    tops = {module.split(".")[0] for module, _ in imports_of(package, path)}
    assert "nbgrader" not in tops or (package == "nbproctor" and path.stem in NBGRADER)


def test_only_the_judge_and_the_student_side_import_torch() -> None:
    folder = PACKAGES["nbproctor"]
    tops = {
        path.stem
        for path in folder.rglob("*.py")
        for module, _ in imports_of("nbproctor", path, only_on_import=True)
        if module.split(".")[0] in ("torch", "torchvision")
    }
    assert tops <= TORCH


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after running `code`."""
    program = f"{code}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "commands.cli",
        "grading.grade",
        "building.build",
        "kernels.kernel",
        "course.lesson",
        "course.notebook",
    ],
)
def test_control_modules_load_neither_torch_nor_nbgrader(module: str) -> None:
    heavy = {"torch", "torchvision", "nbgrader", "matplotlib"}
    assert not loaded_after(f"import nbproctor.{module}") & heavy


def test_importing_nbgraders_half_does_not_load_torch() -> None:
    assert not loaded_after("import nbproctor.store.gradebook") & {"torch", "torchvision"}


def test_importing_plusx_is_quick() -> None:
    assert not loaded_after("import plusx") & {"torch", "matplotlib", "ipywidgets"}
