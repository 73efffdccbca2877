"""What an issue costs as the store grows: empty, one million families, ten million.

The families are made by the binary `fill` (crates/bench) straight in the store of a stopped server:
those that client_credentials with the scopes `device_0` … of each client would have made. Afterwards the
same requests renew families picked at random out of all of them, so that every issue touches pages of
its own; beside them the hot keys that the empty store gets show what the mere presence of the rest costs.
"""

import random
import shutil
from pathlib import Path

from . import tools
from .latchkey import Application, Latchkey, issue
from .load import Request
from .rounds import Results, take
from .variant import FEW, MANY, Settings, Variant, variant

# Requests prepared for one store; wrk holds them all in memory.
PICKED = 50_000
SEED = 1
HOT = "device_bench"
STARTS = 5


def limits(devices: int) -> tuple[str, ...]:
    """Settings under which one client may hold that many devices of its own."""
    room = devices + 1000
    return (f"oauth.device.max_per_user={room}", f"oauth.max_families_per_user={room}")


def picked(clients: list[Application], devices: int) -> list[Request]:
    """Random (client, device) pairs out of all that were filled; the same ones in every run."""
    chance = random.Random(SEED)
    return [issue(chance.choice(clients), f"device_{chance.randrange(devices)}") for _ in range(PICKED)]


class Grown:
    """One Latchkey whose store holds `families` families beside the hot ones (0 = empty store)."""

    def __init__(self, name: str, binary: Path, binaries: Path, settings: Settings, families: int):
        self.name, self.binary = name, binary
        self.directory = settings.directory / f"growth-{name}"
        self.options = limits(families // settings.clients)
        latchkey = Latchkey(binary, self.directory, *self.options)
        clients = latchkey.create_many("growth", "jwt", settings.clients)
        if families:
            latchkey.server.stop()
            self._fill(binaries, clients, families)
            latchkey = Latchkey(binary, self.directory, *self.options)
        self.latchkey = latchkey
        self.variants = [self._variant("hot", [issue(one, HOT) for one in clients], settings)]
        if families:
            self.variants.append(self._variant("random", picked(clients, families // len(clients)), settings))

    def _fill(self, binaries: Path, clients: list[Application], families: int) -> None:
        print(f"filling {families:,} families …", flush=True)
        names = self.directory.parent / f"growth-{self.name}.clients"
        names.write_text("".join(one.consumer_key + "\n" for one in clients))
        tools.run([
            str(binaries / "fill"), "--data-dir", str(self.directory), "--clients", str(names),
            "--devices", str(families // len(clients)),
        ])

    def _variant(self, keys: str, requests: list[Request], settings: Settings) -> Variant:
        return variant(
            f"growth.{self.name}.{keys}", f"Latchkey, issue ES256, {self.name}, {keys} keys",
            self.latchkey.server, self.latchkey.url, requests, settings,
        )

    def end(self) -> None:
        self.latchkey.server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_times(self, results: Results) -> None:
        """Restarts on the filled store; nothing may be preloaded."""
        self.latchkey.server.stop()
        for _ in range(STARTS):
            started = Latchkey(self.binary, self.directory, *self.options)
            started.server.stop()
            results.note(f"growth.{self.name}.start_ms", started.server.start_seconds * 1000)
        results.note(f"growth.{self.name}.disk_mb", disk_mb(self.directory))


def disk_mb(directory: Path) -> float:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 1e6


def compare(results: Results, stores: list[Grown], settings: Settings) -> None:
    """The stores in turn; the first is the empty one that the others are divided by."""
    empty = stores[0].variants[0].name
    for number in range(1, settings.rounds + 1):
        print(f"growth, round {number} of {settings.rounds} …", flush=True)
        for store in stores:
            for one in store.variants:
                for connections in one.connections:
                    take(results, one, connections, settings.seconds)
    for store in stores[1:]:
        for one in store.variants:
            keys = one.name.rpartition(".")[2]
            for connections in (FEW, MANY):
                ratio = results.ratio((one.name, connections), (empty, connections), lambda sample: sample.cpu_us)
                if ratio is None:
                    continue
                results.note(f"growth.{store.name}.{keys}.cpu_ratio.{connections}", ratio)
        results.note(f"growth.{store.name}.resident_mb", store.latchkey.server.resident_mb())
