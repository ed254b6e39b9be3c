"""`make hostile`: every attack here and under stock nbgrader, as a table in docs/security.md."""

import argparse
import contextlib
import json
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "nbproctor")]

from corpus import NEVER, Attack, read_corpus  # noqa: E402
from lessons import POINTS  # noqa: E402
from outcome import Outcome  # noqa: E402
from stock import measure  # noqa: E402

from nbproctor.sandbox.plan import Level  # noqa: E402
from nbproctor.sandbox.process import strongest_level  # noqa: E402

PAGE, TEMPLATE = ROOT / "docs" / "security.md", HERE / "security_template.md"
MEASURED = ROOT / "reports" / "hostile"
BATCH, AT_A_TIME = 8, 2


def main() -> int:
    """Measure both arms and write the page; 1 if an attack succeeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="measure only what is not in reports/")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # nbgrader's, of which this table is not about
    attacks = read_corpus()
    known = attacks if options.keep else []
    ours, stock = _kept("ours", known), _kept("stock", known)
    for attack, outcome in _grade_here([a for a in attacks if a.id not in ours]):
        ours[attack.id] = outcome
        _keep("ours", attacks, ours)
        print(f"{attack.id}: {here(attack, outcome)}", flush=True)
    for found in _grade_with_stock([a for a in attacks if a.id not in stock]):
        stock |= found
        _keep("stock", attacks, stock)
        print(", ".join(found), flush=True)
    PAGE.write_text(page(attacks, ours, stock), encoding="utf-8")
    wrong = [a.id for a in attacks if _problems(a, ours[a.id])]
    print(f"{PAGE.relative_to(ROOT)} is written. Attacks that succeed: {wrong or 'none'}")
    return bool(wrong)


def _grade_here(attacks: list[Attack]) -> Iterator[tuple[Attack, Outcome]]:
    from arena import Arena

    if not attacks:
        return
    arena = Arena()
    with contextlib.closing(arena):
        for attack in attacks:
            yield attack, arena.grade(attack)


def _grade_with_stock(attacks: list[Attack]) -> Iterator[dict[str, Outcome | None]]:
    """In containers, a few attacks each; alone, where an attack may use up the container."""
    groups: dict[tuple[str, str], list[Attack]] = {}
    for attack in attacks:
        alone = attack.name if attack.family == "resources" else attack.lesson
        groups.setdefault((attack.family, alone), []).append(attack)
    batches = [g[n : n + BATCH] for g in groups.values() for n in range(0, len(g), BATCH)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from pool.map(_measured, batches)


def _measured(batch: list[Attack]) -> dict[str, Outcome | None]:
    with tempfile.TemporaryDirectory(prefix="nbh-") as folder:
        return measure(batch, Path(folder))


def _kept(arm: str, attacks: list[Attack]) -> dict[str, Outcome | None]:
    """What an earlier run has measured of attacks that still say the same."""
    path = MEASURED / f"{arm}.json"
    data = json.loads(path.read_text()) if path.is_file() else {}
    same = [a.id for a in attacks if data.get(a.id, {}).get("digest") == a.digest]
    return {name: Outcome(**told) if (told := data[name]["outcome"]) else None for name in same}


def _keep(arm: str, attacks: list[Attack], found: dict[str, Outcome | None]) -> None:
    MEASURED.mkdir(parents=True, exist_ok=True)
    digests = {attack.id: attack.digest for attack in attacks}
    data = {
        name: {"digest": digests[name], "outcome": asdict(outcome) if outcome else None}
        for name, outcome in found.items()
    }
    (MEASURED / f"{arm}.json").write_text(json.dumps(data, indent=1))


def page(
    attacks: list[Attack],
    ours: dict[str, Outcome | None],
    stock: dict[str, Outcome | None],
) -> str:
    """The page: prose from the template, numbers and table from the measurement."""
    told = {
        "COUNT": str(len(attacks)),
        "HELD": str(sum(not _problems(a, ours[a.id]) for a in attacks)),
        "STOCK": _summary(attacks, stock),
        "LEVEL": str(strongest_level(Level.REDUCED)),
        "VERSIONS": _versions(),
        "WORDS": "\n".join(f"- **{word}**: {meaning}" for word, meaning in NEVER.items()),
        "TABLE": "\n".join(_lines(attacks, ours, stock)),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in told.items():
        text = text.replace(f"@{name}@", value)
    return text


def _lines(
    attacks: list[Attack],
    ours: dict[str, Outcome | None],
    stock: dict[str, Outcome | None],
) -> Iterator[str]:
    family = ""
    for attack in attacks:
        if attack.family != family:
            family = attack.family
            yield f"\n### {family.capitalize()}\n"
            yield "| attack | here | stock nbgrader |\n|---|---|---|"
        name = f"[{attack.name}](../tests/hostile/{attack.id}.py)"
        results = f"{here(attack, ours[attack.id])} | {elsewhere(attack, stock[attack.id])}"
        yield f"| {name}: {attack.about} | {results} |"


def here(attack: Attack, outcome: Outcome | None) -> str:
    """What came of an attack here, in a few words."""
    if problems := _problems(attack, outcome):
        return f"**SUCCEEDS**: {'; '.join(problems)[:200]}"
    assert outcome is not None
    names = POINTS[attack.lesson]
    return "held: " + (", ".join(outcome.verdicts.get(n, "not collected") for n in names))


def _problems(attack: Attack, outcome: Outcome | None) -> list[str]:
    return outcome.problems(attack) if outcome else ["it was not measured"]


def elsewhere(attack: Attack, outcome: Outcome | None) -> str:
    """What stock nbgrader made of the same submission, in a few words."""
    if outcome is None or outcome.failure == "hung":
        return "hung"
    if outcome.failure:
        return "class not collected"
    words = []
    if outcome.neighbour:
        words.append("class aborted: an honest student has no mark")
    words += _marks_in_words(attack, outcome)
    words += ["**marks changed**"] * bool(outcome.others)
    words += ["secret read: " + ", ".join(outcome.leaks)] * bool(outcome.leaks)
    words += ["process left"] * bool(outcome.processes) + ["files left"] * bool(outcome.files)
    words += ["outside reached"] * bool(outcome.reach) + ["active page"] * bool(outcome.page)
    return "; ".join(words) or "right"


def _marks_in_words(attack: Attack, outcome: Outcome) -> list[str]:
    points = {exercise: POINTS[attack.lesson][f"test_{exercise}"] for exercise in attack.expect}
    got = {exercise: outcome.marks.get(f"test_{exercise}") for exercise in points}
    right = {e: "passed" in allowed or "partial" in allowed for e, allowed in attack.expect.items()}
    if points and all(mark is None for mark in got.values()):
        return ["no mark"]
    many = [e for e, mark in got.items() if mark and not right[e]]
    if many and all(mark == points[e] for e, mark in got.items()):
        return ["**full marks**"]
    few = [e for e, mark in got.items() if attack.expect[e] == ("passed",) and mark != points[e]]
    return ["**too many marks**"] * bool(many) + ["right answer lost marks"] * bool(few)


def _summary(attacks: list[Attack], stock: dict[str, Outcome | None]) -> str:
    told = [elsewhere(attack, stock[attack.id]).replace("*", "") for attack in attacks]
    kinds = (
        *("full marks", "too many marks", "marks changed", "secret read", "class aborted", "hung"),
        *("no mark", "outside reached", "files left", "process left", "active page"),
    )
    counts = {"right": told.count("right")}
    words = [[word.partition(":")[0] for word in text.split("; ")] for text in told]
    counts |= {kind: sum(kind in found for found in words) for kind in kinds}
    return ", ".join(f"{kind} {count}" for kind, count in counts.items() if count)


def _versions() -> str:
    bubblewrap = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout
    packages = ", ".join(f"{name} {version(name)}" for name in ("nbgrader", "ipykernel", "torch"))
    python = platform.python_version()
    return f"{packages}, Python {python}, Linux {platform.release()}, {bubblewrap.strip()}"


if __name__ == "__main__":
    sys.exit(main())
