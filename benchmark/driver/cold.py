"""Introspection right after a restart: the server's caches are empty, the operating system's are warm."""

from pathlib import Path

from .latchkey import Latchkey, introspections
from .load import LoadPlan, measure, write_requests
from .rounds import Results
from .variant import FEW, Settings

TOKENS_PER_CLIENT = 100
LONGEST_SECONDS = 30


class Cold:
    """A server whose tokens are each asked about once after every restart.

    `count` is large enough that the CPU of a round is many ticks of `/proc/PID/stat`.
    """

    def __init__(self, binary: Path, settings: Settings, count: int):
        self.binary, self.directory = binary, settings.directory / "cold"
        latchkey = Latchkey(binary, self.directory)
        try:
            clients = latchkey.create_many("cold", "opaque", count // TOKENS_PER_CLIENT)
            self.questions = introspections(latchkey.url, clients, count)
        finally:
            latchkey.server.stop()
        self.file = write_requests(settings.directory / "cold.requests", self.questions)

    def round(self, results: Results) -> None:
        """Starts, asks about every token once, ends; notes CPU, latency and the time to the first answer."""
        latchkey = Latchkey(self.binary, self.directory)
        try:
            plan = LoadPlan(latchkey.url, self.file, (f"once={len(self.questions)}",))
            sample = measure(latchkey.server, plan, FEW, LONGEST_SECONDS)
            results.note("cold.introspect.cpu_us", sample.cpu_us)
            results.note("cold.introspect.p50_ms", sample.p50_ms)
            results.note("cold.introspect.p99_ms", sample.p99_ms)
            results.note("cold.introspect.refused", sample.non_2xx + sample.broken)
            results.note("cold.resident_mb", sample.resident_mb)
        finally:
            latchkey.server.stop()
