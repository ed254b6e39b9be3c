"""docs/benchmarks.md and its figure, from the record of one benchmark."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from nbproctor.bench import stages
from nbproctor.bench.arms import ARMS
from nbproctor.bench.chart import draw
from nbproctor.bench.record import Record
from nbproctor.bench.simulation import DASK, POOL, SIMULATION
from nbproctor.bench.spread import Spread
from nbproctor.bench.summary import (
    Goal,
    compute_s,
    disagreements,
    failed,
    goals,
    recheck_s,
    rows,
)
from nbproctor.bench.workload import RESIDUALS

__all__ = ["page", "write_page"]

TEMPLATE = Path(__file__).parents[1] / "templates" / "benchmarks.md"
PAGE, FIGURE = Path("docs", "benchmarks.md"), Path("docs", "benchmarks.svg")
TITLES = {arm.name: arm.title for arm in ARMS}
ORDER = (
    "stock",
    "tuned",
    "pair",
    "otter",
    *(n for n in TITLES if n not in ("stock", "tuned", "pair")),
)
TITLES["otter"] = "Otter-Grader, without containers"
QUIET_CORES = 0.1
ABOUT = """\
Three exercises on residual connections with tests of real torch modules, made for this benchmark
(`autograder/class_bench`); each student has a right or a wrong answer to each, and no two hand in
the same text. The quick arms grade {size} students, the slow ones the first {few} of them (an even
number where two processes share them)."""
SECOND = """\
The lesson without its demonstrations, in one turn (C = {compute}). Every third student has left the
first exercise unanswered."""


def write_page(root: Path, record: Record) -> Path:
    """Write page and figure; returns the page's path."""
    simulation = root / SIMULATION
    told = json.loads(simulation.read_text()) if simulation.is_file() else {}
    path = root / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(record, told), encoding="utf-8")
    known = rows(record, RESIDUALS, _order(record, RESIDUALS))
    (root / FIGURE).write_bytes(draw(known, _titles(record), compute_s(record, RESIDUALS)))
    return path


def page(record: Record, simulations: Mapping[str, Any]) -> str:
    """The text of docs/benchmarks.md."""
    about, found = record.about, goals(record, RESIDUALS, simulations)
    second = next((run.workload for run in record.runs if run.workload != RESIDUALS), "")
    settings = about["settings"]
    parts = {
        "minutes": "twelve minutes",
        "date": about["date"],
        "machine": _machine(about["machine"]),
        "versions": _versions(about["versions"]),
        "bytecode": about["versions"]["bytecode"],
        "warning": _warning(record),
        "workload": "The benchmark's lesson",
        "about_workload": ABOUT.format(size=settings["class_size"], few=settings["few"]),
        "arms_table": _arms(record, RESIDUALS),
        "compute": _seconds(compute_s(record, RESIDUALS)),
        "marks": _marks(record),
        "otter": _otter(record),
        "goals_table": _goals(found),
        "held": _held(record, found),
        "stages_table": _stages(record),
        "latency": _latency(record),
        "memory": _memory(record),
        "second": second or "Not measured",
        "second_about": SECOND.format(compute=_seconds(compute_s(record, second))),
        "second_table": _arms(record, second),
        "failures": _failures(record),
        "simulations": _simulations(simulations),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    made = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in made)


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} s"


def _machine(told: Mapping[str, Any]) -> str:
    return (
        f"{told['processor']}, {told['cores']} cores, {told['memory_gib']:g} GiB, {told['system']}"
    )


def _versions(told: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in told.items() if name != "bytecode")


def _warning(record: Record) -> str:
    busy = [run.other_cores for run in record.runs]
    if not busy or max(busy) <= QUIET_CORES:
        return ""
    return (
        f"**The machine was not quiet**: something else kept {max(busy):.1f} cores busy in a run, "
        f"{median(busy):.1f} in the median of all. Times, and to a lesser degree ratios, suffer.\n"
    )


def _order(record: Record, workload: str) -> list[str]:
    return [name for name in ORDER if name in record.arms(workload)]


def _titles(record: Record) -> dict[str, str]:
    workers = str(record.about["settings"]["workers"])
    return {name: title.replace("{workers}", workers) for name, title in TITLES.items()}


def _arms(record: Record, workload: str) -> str:
    given = f"C = {_seconds(compute_s(record, workload))}"
    head = ["", "wall", "CPU", "first", f"times as fast as stock ({given})", "times the floor"]
    titles = _titles(record)
    lines = [
        [
            titles[row.arm],
            row.wall.text(),
            row.cpu.text(),
            row.start.text(1),
            _ratio(row.faster),
            _ratio(row.over_floor),
        ]
        for row in rows(record, workload, _order(record, workload))
    ]
    return _table(head, lines) if lines else "Not measured."


def _ratio(spread: Spread | None) -> str:
    return "" if spread is None else spread.text(2 if spread.middle < 10 else 1)


def _marks(record: Record) -> str:
    differing = disagreements(record, RESIDUALS)
    if differing:
        return "\n".join(["**Marks differ:**", "", *(f"- {text}" for text in differing)])
    arms = {run.arm for run in record.runs if run.marks and run.workload == RESIDUALS}
    return (
        f"All {len(arms)} arms that give marks gave the same mark for every cell of every student."
    )


def _otter(record: Record) -> str:
    if isinstance(told := record.probes.get("otter"), dict):
        return f"Otter-Grader could not be run: {told['failed']}"
    if not record.of(RESIDUALS, "otter"):
        return "Otter-Grader was not run."
    return (
        "Otter-Grader grades the same notebooks with the same tests by `otter run`, in an\n"
        "environment of its own that shares torch with the course. That command takes one\n"
        "submission; a program that calls its functions in a loop would spare it some imports."
    )


def _goals(found: Sequence[Goal]) -> str:
    lines = [
        [
            goal.name,
            f"{'at least' if goal.at_least else 'at most'} {goal.wanted:g}{goal.unit}",
            "" if goal.found is None else f"{goal.found:.3g}{goal.unit}",
            goal.verdict,
        ]
        for goal in found
    ]
    return _table(["", "goal", "measured", ""], lines)


def _held(record: Record, found: Sequence[Goal]) -> str:
    """What holds the goals that are missed: the largest costs that were measured."""
    if not any(goal.is_met is False for goal in found):
        return ""
    parts = ["What holds the goals that are missed, as far as it was measured:", ""]
    floors = next(iter(rows(record, RESIDUALS, ["floors"])), None)
    if found[0].is_met is False and floors and floors.faster:
        parts += [
            "- speed: the floor in two processes, which executes the cells and does nothing else, "
            f"is {floors.faster.middle:.3g} times as fast as stock nbgrader here: that is the most "
            "that a grader on two cores can reach with these tests."
        ]
    if told := record.probes.get("stages"):
        above = {k: v for k, v in told.get("seconds", {}).items() if k != "tests"}
        largest = sorted(above, key=above.__getitem__, reverse=True)[:4]
        costs = ", ".join(f"{name} {above[name]:.3f} s" for name in largest)
        tests = told.get("seconds", {}).get("tests", 0.0)
        compute = compute_s(record, RESIDUALS) or 0.0
        parts += [
            f"- time: {costs}; and the tests, which take {tests:.2f} s where C is {compute:.2f} s: "
            "what crosses between judge and kernel."
        ]
    if found[4].is_met is False:
        nbgrader = median(record.probes["imports"]["nbgrader.apps"])
        parts += [
            f"- a cold command: it imports nbgrader's programs, too ({nbgrader:.1f} s alone)."
        ]
    if found[6].is_met is False:
        own = record.probes["memory"]["private to the second kernel itself"]
        guards = record.probes["memory"]["private to its two guards"]
        parts += [f"- memory: {own:.0f} MiB are private to the kernel, {guards:.0f} to its guards."]
    return "\n".join(parts)


def _stages(record: Record) -> str:
    told = record.probes.get("stages", {})
    if "seconds" not in told:
        return "Not measured."
    names = [*stages.STAGES, stages.OTHER]
    lines = [[name, f"{1000 * told['seconds'][name]:.1f}"] for name in names]
    lines.append(["together", f"{1000 * sum(told['seconds'].values()):.1f}"])
    return _table([f"stage, mean of {told['submissions']} submissions", "ms"], lines)


def _latency(record: Record) -> str:
    warm, cold, imports = (record.probes.get(name) for name in ("latency", "cold", "imports"))
    lines = []
    if warm and "later_s" in warm:
        lines.append(
            ["a worker that is warm, from the job to the verdict", _spread(warm["later_s"])]
        )
        lines.append(["the first submission of a new worker", f"{warm['first_s']:.2f}"])
    if isinstance(cold, list):
        text = "`nbproctor grade LESSON STUDENT --workers 1`, from the command to the recorded mark"
        lines.append([text, _spread(cold)])
    if imports and "failed" not in imports:
        lines += [[f"`import {name}` alone", _spread(took)] for name, took in imports.items()]
    return _table(["", "seconds"], lines) if lines else "Not measured."


def _spread(values: Sequence[float]) -> str:
    return Spread.of(values).text()


def _memory(record: Record) -> str:
    sizes = record.probes.get("memory", {})
    if "fork-server" not in sizes:
        return "Not measured."
    lines = [[name, f"{size:.0f}"] for name, size in sizes.items()]
    told = _table(["all processes together", "MiB"], lines)
    return (
        "Proportional set size after all cells and tests have run; a kernel is three processes:\n"
        f"the one outside, the warden, and the kernel itself.\n\n{told}"
    )


def _failures(record: Record) -> str:
    if not (problems := failed(record)):
        return ""
    return "\n".join(["## What came to no end", "", *(f"- {text}" for text in problems), ""]) + "\n"


def _simulations(told: Mapping[str, Any]) -> str:
    """A column for the local pool and one for Dask, where they were measured."""
    names = {POOL: "local pool", DASK: "Dask on the loopback"}
    measured = [name for name in names if name in told]
    if not measured:
        return "Not measured."
    columns = [_simulated(told[name]) for name in measured]
    lines = [[what, *(column[what] for column in columns)] for what in columns[0]]
    dates = " and ".join(sorted({told[name]["date"] for name in measured}))
    machines = " and ".join(sorted({_machine(told[name]["machine"]) for name in measured}))
    table = _table(["", *(names[name] for name in measured)], lines)
    return f"Measured on {dates}: {machines}.\n\n{table}"


def _simulated(told: Mapping[str, Any]) -> dict[str, str]:
    each, grade = told["each_s"], told["grade"]
    memory, again = grade["memory_mib"], told["recheck"]
    return {
        "submissions": f"{told['submissions']:,}",
        "workers": str(told["workers"]),
        "seconds in all": f"{grade['wall_s']:.0f}",
        "CPU seconds of the command and what it started": f"{grade['cpu_s']:.0f}",
        "ms per submission, second tenth of the class": f"{1000 * each[0]:.0f}",
        "ms per submission, last tenth": f"{1000 * each[-1]:.0f}",
        "ms per submission, median of these nine tenths": f"{1000 * median(each):.0f}",
        "memory of the control process after a tenth, MiB": f"{memory[0]:.0f}",
        "memory of the control process in the end, MiB": f"{memory[-1]:.0f}",
        "gradebook per submission, KiB": f"{told['gradebook_kib_each']:.2f}",
        "ledger per submission, KiB": f"{told['ledger_kib_each']:.2f}",
        "a second run, nothing changed: seconds": f"{again['wall_s']:.1f}",
        "the same for 10,000, each further one as the others": f"{recheck_s(told):.1f}",
        "memory of the second run, MiB": f"{max(again['memory_mib']):.0f}",
    }
