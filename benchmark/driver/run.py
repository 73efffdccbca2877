"""A whole run: starts the parts that are wanted, takes the rounds, ends everything."""

from contextlib import ExitStack
from pathlib import Path

from . import latchkey, peer, tools, yardstick
from .latchkey import Latchkey
from .passwords import Passwords
from .process import Server
from .rounds import Results, alternate, warm_up
from .variant import Settings, Variant

PARTS = ("latchkey", "passwords", "peer")
STARTS = 5
BYTES_PER_CACHED_FAMILY = 250


class Run:
    """What is running: servers are ended when the run is left, however it ends."""

    def __init__(self, settings: Settings, stack: ExitStack, binaries: Path, binary: Path):
        self.settings, self.stack = settings, stack
        self.binaries, self.binary = binaries, binary
        self.results = Results()
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
        return first

    def start_passwords(self) -> Passwords:
        bare = next(variant for variant in self.variants if variant.name == "bare.get")
        passwords = Passwords(self.binary, bare.server, bare.plan.url, self.settings)
        self.keep([passwords.latchkey.server])
        return passwords

    def start_up_times(self) -> None:
        """Starts on an empty store: the first makes keys and the demo, the later ones find them."""
        for n in range(STARTS + 1):
            started = Latchkey(self.binary, self.settings.directory / "start-up")
            started.server.stop()
            self.results.note("start.first_ms" if n == 0 else "start.empty_ms", started.server.start_seconds * 1000)


def measure_all(settings: Settings, parts: frozenset[str], binary: Path | None) -> Results:
    packages = ["latchkey-bench"]
    if parts & {"latchkey", "passwords"} and not binary:
        packages.append("latchkey-server")
    binaries = tools.build(*packages)
    with ExitStack() as stack:
        run = Run(settings, stack, binaries, binary or binaries / "latchkey")
        print("starting servers …", flush=True)
        run.start_yardsticks()
        measured = run.start_latchkey() if "latchkey" in parts else None
        if "peer" in parts:
            run.start_peer()
        passwords = run.start_passwords() if "passwords" in parts else None
        take_rounds(run, passwords)
        if measured:
            resident = measured.server.resident_mb()
            families = settings.clients + 3 * settings.tokens
            run.results.note("memory.resident_mb", resident - families * BYTES_PER_CACHED_FAMILY / 1e6)
            run.start_up_times()
        return run.results


def take_rounds(run: Run, passwords: Passwords | None) -> None:
    print("warming up …", flush=True)
    warm_up(run.variants, run.settings.seconds)
    for number in range(1, run.settings.rounds + 1):
        print(f"round {number} of {run.settings.rounds} …", flush=True)
        alternate(run.results, run.variants, run.settings.seconds)
        if passwords:
            passwords.round(run.results, run.binaries)
        else:
            note_raw_rates(run)


def note_raw_rates(run: Run) -> None:
    for name, rates in yardstick.raw_rates(run.binaries, run.settings.seconds).items():
        for unit, value in rates.items():
            run.results.note(f"raw.{name}.{unit}", value)
