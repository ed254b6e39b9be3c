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
from nbproctor.bench.simulation import SIMULATION
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
the same text. The quick arms grade {size} students, the slow ones the first {few} of them."""
SECOND = """\
The lesson without its demonstrations, in one turn (C = {compute}). Every third student has left the
first exercise unanswered."""


def write_page(root: Path, record: Record) -> Path:
    """Write page and figure; returns the page's path."""
    simulation = root / SIMULATION
    told = json.loads(simulation.read_text()) if simulation.is_file() else None
    path = root / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(record, told), encoding="utf-8")
    known = rows(record, RESIDUALS, _order(record, RESIDUALS))
    (root / FIGURE).write_bytes(draw(known, _titles(record), compute_s(record, RESIDUALS)))
    return path


def page(record: Record, simulation: Mapping[str, Any] | None) -> str:
    """The text of docs/benchmarks.md."""
    about, found = record.about, goals(record, RESIDUALS, simulation)
    second = next((run.workload for run in record.runs if run.workload != RESIDUALS), "")
    settings = about["settings"]
    parts = {
        "minutes": "about twelve minutes on two cores",
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
        "simulation": _simulation(simulation),
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
    head = ["", "wall", "CPU", "first", "times as fast as stock", "times the floor"]
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
    if found[6].is_met is False:
        own = record.probes["memory"]["of that, the second kernel's own process"]
        parts += [f"- memory: {own:.0f} MiB are the kernel's own process, the rest its two guards."]
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


def _simulation(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "Not measured."
    each, grade = told["each_s"], told["grade"]
    memory, again = grade["memory_mib"], told["recheck"]["memory_mib"]
    number = told["submissions"]
    lines = [
        ["submissions", f"{number:,}"],
        ["seconds in all", f"{grade['wall_s']:.0f}"],
        ["CPU seconds in all, all processes", f"{grade['cpu_s']:.0f}"],
        ["wall per submission, second tenth of the class", f"{1000 * each[0]:.0f} ms"],
        ["wall per submission, last tenth", f"{1000 * each[-1]:.0f} ms"],
        ["wall per submission, median of nine tenths", f"{1000 * median(each):.0f} ms"],
        ["memory of the control process after a tenth", f"{memory[0]:.0f} MiB"],
        ["memory of the control process in the end", f"{memory[-1]:.0f} MiB"],
        ["gradebook, per submission", f"{told['gradebook_kib_each']:.2f} KiB"],
        ["ledger, per submission", f"{told['ledger_kib_each']:.2f} KiB"],
        ["second run, nothing changed: seconds in all", f"{told['recheck_s']:.1f}"],
        ["the same, for 10,000", f"{recheck_s(told) or 0.0:.1f}"],
        ["memory of the second run's control process", f"{max(again):.0f} MiB"],
    ]
    options = " ".join(told["options"])
    intro = f"`nbproctor grade light {options}` on {told['date']}, {_machine(told['machine'])}."
    return f"{intro} One exercise that takes no time; no two answers are alike.\n\n" + _table(
        ["", ""], lines
    )
