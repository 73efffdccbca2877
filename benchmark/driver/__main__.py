"""`./bench`: parses the command line and runs one benchmark from start to report."""

import argparse
import dataclasses
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import gateway, registry, report, run, tools
from .failure import Failure
from .goals import all_goals
from .rounds import Results
from .run import PARTS, measure_all
from .variant import Settings

# What is compared with a sample right beside it is better taken often than long.
ROUNDS, SECONDS = {"token": 5, "gateway": 10, "registry": 3}, {"token": 3, "gateway": 1, "registry": 3}
RESULTS = tools.ROOT / "benchmark" / "results"
EPILOG = """\
examples:
  ./bench token                    everything but what --long adds, five rounds
  ./bench token --quick            two short rounds: does it run, roughly how fast
  ./bench token --without peer     without Node
  ./bench gateway                  the gateway beside nginx, over a million families
  ./bench gateway --quick --without storm
  ./bench registry                 REST over 100,000 applications, and an import of a million tokens
Every variant runs once per round, in turn; medians count, and ratios are taken within a round. CPU is
user and system time of the server's processes; absolute rates depend on the machine, ratios hardly.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./bench", description="Measures Latchkey beside its yardsticks and prints ratios.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    benchmarks = parser.add_subparsers(dest="what", required=True, metavar="token|gateway|registry")
    for name, about, parts, longer in (
        ("token", "the token server: issue, introspection, reuse, passwords", PARTS, "ten million families and ten million issues too"),
        ("gateway", "the gateway beside nginx: calls, refusals, revocation", gateway.PARTS, "ten million families too"),
        ("registry", "a large registry over REST: pages, searches, keys, blocks, an import", registry.PARTS, "a million applications"),
    ):
        one = benchmarks.add_parser(name, help=about, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
        one.add_argument("--rounds", type=positive, help=f"rounds (default {ROUNDS[name]}; with --quick 2)")
        one.add_argument("--seconds", type=positive, help=f"length of each sample (default {SECONDS[name]}; with --quick 1)")
        one.add_argument("--quick", action="store_true", help="short rounds and small stores, for development")
        one.add_argument("--long", action="store_true", help=longer)
        one.add_argument("--without", action="append", default=[], choices=parts, metavar="PART",
                         help=f"leave a part out: {', '.join(parts)}")
        one.add_argument("--binaries", type=Path, metavar="DIR", help="use the programs in DIR instead of building them")
        one.add_argument("--keep", action="store_true", help="keep data directories and logs of the run")
        if name == "gateway":
            one.add_argument("--stores", type=Path, metavar="DIR",
                             help="keep filled stores in DIR, which then spares the filling")
        one.set_defaults(stores=None)
    return parser.parse_args()


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def measured(options: argparse.Namespace, settings: Settings) -> Results:
    benches = {"gateway": (gateway, gateway.PARTS, gateway.measure), "registry": (registry, registry.PARTS, registry.measure)}
    bench, parts, measure = benches.get(options.what, (run, PARTS, measure_all))
    extent = bench.QUICK if options.quick else bench.LONG if options.long else bench.USUAL
    return measure(settings, frozenset(parts) - set(options.without), options.binaries, extent)


def benchmark(options: argparse.Namespace) -> int:
    tools.ensure("wrk", "wrk")
    RESULTS.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=RESULTS))
    settings = Settings(
        directory=directory, rounds=options.rounds or (2 if options.quick else ROUNDS[options.what]),
        seconds=options.seconds or (1 if options.quick else SECONDS[options.what]),
        clients=50 if options.quick else 1000, tokens=50 if options.quick else 400, stores=options.stores,
    )
    try:
        results = measured(options, settings)
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    goals = {"gateway": gateway.goals, "registry": registry.goals}.get(options.what, all_goals)(results)
    sections = [report.table(results), report.figures(results), report.verdicts(goals), report.noise(results)]
    if options.what == "gateway":
        sections.insert(1, report.cores(results))
    print("", *sections, sep="\n\n")
    for line in results.voided:
        print(f"void: {line}")
    for name, reason in results.failed.items():
        print(f"NOT MEASURED {name}: {reason}")
    target = RESULTS / f"{options.what}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    facts = {name: str(value) for name, value in dataclasses.asdict(settings).items() if name not in ("directory", "stores")}
    report.save(target, report.document(results, goals, facts))
    print(f"\nwritten to {target.relative_to(tools.ROOT)}")
    return 1 if results.failed else 0


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    # Also where the run was started in the background, which ignores SIGINT: no server may stay behind.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, interrupted)
    try:
        return benchmark(arguments())
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; every server was ended", file=sys.stderr)
        return 130


sys.exit(main())
