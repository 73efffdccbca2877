"""A whole run: starts the parts that are wanted, takes the rounds, ends everything."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from . import churn, growth, latchkey, peer, tools, yardstick
from .cold import Cold
from .failure import Failure
from .growth import Grown
from .latchkey import Latchkey
from .passwords import Passwords
from .process import Server
from .rounds import Results, alternate, warm_up
from .variant import Settings, Variant

# What can be left out; the order is that of the run.
PARTS = ("peer", "latchkey", "passwords", "cold", "growth", "churn")
STARTS = 5
BYTES_PER_CACHED_FAMILY = 250
MILLION = 1_000_000


@dataclass(frozen=True)
class Extent:
    """How far the parts go that take long: `growth` families by name, `issues` of the churn."""

    growth: dict[str, int]
    issues: int
    cold_tokens: int


QUICK = Extent({"10k": 10_000}, 20_000, 2_000)
USUAL = Extent({"1m": MILLION}, 300_000, 20_000)
LONG = Extent({"1m": MILLION, "10m": 10 * MILLION}, 10 * MILLION, 20_000)


class Run:
    """What is running: servers are ended when the run is left, however it ends."""

    def __init__(self, settings: Settings, stack: ExitStack, binaries: Path, results: Results):
        self.settings, self.stack, self.results = settings, stack, results
        self.binaries, self.binary = binaries, binaries / "latchkey"
        self.variants: list[Variant] = []

    def keep(self, servers: list[Server]) -> None:
        for server in servers:
            self.stack.callback(server.stop)

    def start_yardsticks(self) -> None:
        servers, variants = yardstick.start(self.binaries, self.settings)
        self.keep(servers)
        self.variants += variants

    def start_peer(self) -> None:
        servers, variants = peer.start(self.settings)
        self.keep(servers)
        self.variants += variants

    def start_latchkey(self) -> Latchkey:
        """All Latchkey variants; the ES256 server on SQLite serves reuse and introspection too."""
        first = None
        for algorithm in ("ES256", "RS256"):
            servers, variants = latchkey.start(self.binary, self.settings, algorithm)
            self.keep([one.server for one in servers])
            self.variants += variants
            first = first or servers[0]
        self.variants += latchkey.start_opaque(first, self.settings)
        logged, variants = latchkey.start_logged(self.binary, self.settings)
        self.keep([logged.server])
        self.variants += variants
        return first

    def start_passwords(self) -> Passwords:
        bare = next(variant for variant in self.variants if variant.name == "bare.get")
        passwords = Passwords(self.binary, bare.server, bare.plan.url, self.settings)
        self.keep([passwords.latchkey.server])
        return passwords

    def take_rounds(self, passwords: Passwords | None, cold: Cold | None) -> None:
        print("warming up …", flush=True)
        warm_up(self.variants, self.settings.seconds)
        for number in range(1, self.settings.rounds + 1):
            print(f"round {number} of {self.settings.rounds} …", flush=True)
            alternate(self.results, self.variants, self.settings.seconds)
            raw = yardstick.raw_rates(self.binaries, self.settings.seconds)
            for name, rates in raw.items():
                for unit, value in rates.items():
                    self.results.note(f"raw.{name}.{unit}", value)
            if passwords:
                passwords.round(self.results, raw)
            if cold:
                cold.round(self.results)

    def start_up_times(self) -> None:
        """Starts on an empty store: the first makes keys and the demo, the later ones find them."""
        for n in range(STARTS + 1):
            started = Latchkey(self.binary, self.settings.directory / "start-up")
            started.server.stop()
            self.results.note("start.first_ms" if n == 0 else "start.empty_ms", started.server.start_seconds * 1000)

    def grow(self, families: dict[str, int]) -> None:
        """Stores of these sizes beside an empty one."""
        stores: list[Grown] = []
        for name, number in {"empty": 0, **families}.items():
            stores.append(Grown(name, self.binary, self.binaries, self.settings, number))
            self.stack.callback(stores[-1].end)
        growth.compare(self.results, stores, self.settings)
        for store in stores[1:]:
            store.start_times(self.results)


def measure_all(settings: Settings, parts: frozenset[str], binaries: Path | None, extent: Extent) -> Results:
    """Takes the parts in turn; the programs are built unless `binaries` holds them."""
    packages = ["latchkey-bench"] + ["latchkey-server"] * bool(parts - {"peer"})
    binaries = binaries.resolve() if binaries else tools.build(*packages)
    results = Results()
    steps = {
        "side by side": lambda run: side_by_side(run, parts, extent),
        "start-up": lambda run: run.start_up_times(),
        "growth": lambda run: run.grow(extent.growth),
        "churn": lambda run: churn.run(results, run.binary, settings, extent.issues),
    }
    left_out = {"start-up": "latchkey" not in parts, "growth": "growth" not in parts, "churn": "churn" not in parts}
    for name, step in steps.items():
        if left_out.get(name):
            continue
        print(f"-- {name}", flush=True)
        with ExitStack() as stack:
            try:
                step(Run(settings, stack, binaries, results))
            except Failure as failure:
                # What was measured so far is reported all the same.
                results.failed[name] = str(failure)
    return results


def side_by_side(run: Run, parts: frozenset[str], extent: Extent) -> None:
    """All servers at once, in alternating rounds."""
    run.start_yardsticks()
    measured = run.start_latchkey() if "latchkey" in parts else None
    if "peer" in parts:
        run.start_peer()
    passwords = run.start_passwords() if "passwords" in parts else None
    cold = Cold(run.binary, run.settings, extent.cold_tokens) if "cold" in parts else None
    run.take_rounds(passwords, cold)
    if measured:
        families = run.settings.clients + 3 * run.settings.tokens
        cached = families * BYTES_PER_CACHED_FAMILY / 1e6
        run.results.note("memory.resident_mb", measured.server.resident_mb() - cached)
