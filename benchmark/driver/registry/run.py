"""A whole run: fills a registry, asks in turn, changes it, imports."""

from contextlib import ExitStack
from pathlib import Path

from .. import tools
from ..gateway.run import attempt
from ..rounds import Results, alternate, warm_up
from ..variant import Settings
from . import changes, imported
from .filled import Extent, Filled
from .questions import questions

# What can be left out; the order is that of the run.
PARTS = ("pages", "keys", "block", "import")
QUICK = Extent(applications=10_000, administrators=8_000, imported=50_000, blocks=40)
USUAL = Extent(applications=100_000, administrators=20_000, imported=1_000_000, blocks=200)
LONG = Extent(applications=1_000_000, administrators=20_000, imported=1_000_000, blocks=1000)


def measure(settings: Settings, parts: frozenset[str], binaries: Path | None, extent: Extent) -> Results:
    binaries = binaries.resolve() if binaries else tools.build("latchkey-server", "latchkey-bench")
    results = Results()
    with ExitStack() as stack:
        filled = Filled(binaries, settings, extent)
        stack.callback(filled.latchkey.server.stop)
        steps = {
            "pages": lambda: pages(results, filled, settings, extent),
            "keys": lambda: changes.generate(results, filled),
            "block": lambda: changes.block(results, filled, extent.blocks),
            "import": lambda: imported.run(results, binaries, settings, extent.imported),
        }
        for name, step in steps.items():
            if name in parts:
                attempt(results, name, step)
    return results


def pages(results: Results, filled: Filled, settings: Settings, extent: Extent) -> None:
    variants = questions(filled, settings, extent.applications)
    warm_up(variants, 1)
    for number in range(1, settings.rounds + 1):
        print(f"round {number} of {settings.rounds}", flush=True)
        alternate(results, variants, settings.seconds)
