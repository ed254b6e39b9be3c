"""The command `nbproctor bench`."""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nbproctor.building.source import find_sources
from nbproctor.errors import ConfigError
from nbproctor.store.places import course_root

if TYPE_CHECKING:
    from nbproctor.bench.run import Request

__all__ = ["add_bench"]


def add_bench(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor bench`."""
    add = parser.add_argument
    add("lesson", nargs="?", default="02", help="the course's lesson that gets a turn, too (02)")
    add("--turns", type=int, default=3, help="how often each arm grades its class (3)")
    add("--students", type=int, default=16, help="students in a class (16)")
    add("--few", type=int, default=3, help="students that are enough for the slow arms (3)")
    add("--workers", type=int, default=2, help="processes of the arms that have several (2)")
    add("--arms", nargs="+", default=(), metavar="ARM", help="only these; no probes (all)")
    add(
        "--minutes",
        type=float,
        default=12.0,
        help="begin nothing that would end later (12); called again, it does what is left",
    )
    add("--fresh", action="store_true", help="forget what an earlier run has measured")
    add("--page", action="store_true", help="only write docs/benchmarks.md again")
    add("--simulate", type=int, metavar="N", help="grade N light submissions twice, instead")
    add("--dask", action="store_true", help="with --simulate: by Dask workers on the loopback")
    parser.set_defaults(run=_bench)


def _bench(options: argparse.Namespace) -> int:
    from nbproctor.bench.page import write_page
    from nbproctor.bench.record import Record
    from nbproctor.bench.run import RECORD, run_bench
    from nbproctor.bench.simulation import simulate

    root = course_root(options.course)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without clearing up
    if options.simulate:
        simulate(root, options.simulate, options.workers, options.dask)
    if options.simulate or options.page:
        record = Record.read(root / RECORD)
    else:
        record = run_bench(root, _request(root, options))
    print(f"The numbers: {root / RECORD}\nThe page: {write_page(root, record)}")
    return 0


def _request(root: Path, options: argparse.Namespace) -> "Request":
    from nbproctor.bench.run import Request
    from nbproctor.bench.turns import Settings

    sizes = {"--turns": 1, "--students": options.workers + 2, "--few": 2, "--workers": 1}
    for name, least in sizes.items():
        got = getattr(options, name.removeprefix("--"))
        if got < least:
            raise ConfigError(f"too small a {name}", expected=f"{least} or more", got=got)
    (source,) = find_sources(root, [options.lesson])
    settings = Settings(options.turns, options.students, options.few, options.workers)
    return Request(source.stem, settings, tuple(options.arms), options.minutes, options.fresh)
