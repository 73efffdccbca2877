"""A whole run: starts what is compared, measures the parts in turn, ends everything."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .. import tools
from ..failure import Failure
from ..process import Server
from ..rounds import Results
from ..variant import Settings
from . import cold, latency, nginx, remote, revocation, side_by_side, sizes
from .filled import Filled
from .side_by_side import Sides

# What can be left out; the order is that of the run.
PARTS = ("jwt", "refusals", "introspection", "http2", "latency", "storm", "revocation", "remote", "cold")
MILLION = 1_000_000


@dataclass(frozen=True)
class Extent:
    """How many families live, of how many tokens from all over them are used, revocations, and partitions."""

    families: int
    spread: int
    revocations: int
    partitions: int
    larger: int | None = None


QUICK = Extent(10_000, 2_000, 40, 1)
USUAL = Extent(MILLION, 100_000, 400, 5)
LONG = Extent(MILLION, 100_000, 1000, 20, larger=10 * MILLION)


def start_upstream(binaries: Path, settings: Settings) -> tuple[Server, str]:
    command = [str(binaries / "bare-hyper"), "--threads", "1"]
    server = Server("upstream", command, "ready", settings.directory / "upstream.log")
    return server, server.ready_line.split()[1]


def measure(settings: Settings, parts: frozenset[str], binaries: Path | None, extent: Extent) -> Results:
    """The calls side by side, then the parts that are wanted."""
    binaries = binaries.resolve() if binaries else tools.build("latchkey-server", "latchkey-bench")
    results = Results()
    with ExitStack() as stack:
        upstream, address = start_upstream(binaries, settings)
        stack.callback(upstream.stop)
        filled = Filled(binaries, settings, extent.families, address)
        stack.callback(filled.stop)
        latchkey = filled.latchkey
        yardstick = nginx.start(settings, address, latchkey.url.removeprefix("http://"), latchkey.administrator)
        stack.callback(yardstick.server.stop)
        sides = Sides(filled, yardstick, upstream, settings)
        print(f"asking for {extent.spread:,} tokens …", flush=True)
        spread = filled.spread(extent.spread)
        compare(results, sides, spread, parts)
        steps = {
            "http2": lambda: side_by_side.take_http2(results, sides),
            "latency": lambda: latency.run(results, sides, latency.take_offered),
            "storm": lambda: latency.run(results, sides, latency.take_storm),
            "revocation": lambda: revocation.run(results, sides, extent.revocations),
            "remote": lambda: remote.run(results, sides, extent.revocations, extent.partitions),
            "cold": lambda: cold.run(results, sides, spread),
        }
        for name, step in steps.items():
            if name in parts:
                attempt(results, name, step)
        if extent.larger:
            attempt(results, "larger", lambda: sizes.run(results, sides, spread, extent.larger))
    return results


def attempt(results: Results, name: str, step) -> None:
    """What was measured so far is reported also where a part fails."""
    print(f"-- {name}", flush=True)
    try:
        step()
    except Failure as failure:
        results.failed[name] = str(failure)


def compare(results: Results, sides: Sides, spread: list[str], parts: frozenset[str]) -> None:
    """The variants that alternate."""
    plain = sides.proxied(side_by_side.PLAIN, "nginx, plain proxying", sides.nginx.plain)
    sides.variants = side_by_side.of_opaque(sides, spread)
    if "jwt" in parts:
        sides.variants += side_by_side.of_jwt(sides)
    if "refusals" in parts:
        sides.variants += side_by_side.of_refusals(sides)
    if "introspection" in parts:
        sides.variants.append(sides.proxied(side_by_side.ASKING, "nginx, auth_request to introspection", sides.nginx.asking))
    side_by_side.take_rounds(results, sides, plain)
