"""Load by wrk: a file of requests sent in turn, one thread, keep-alive connections."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from . import machine
from .failure import Failure
from .process import Server

SCRIPT = Path(__file__).parents[1] / "wrk" / "requests.lua"
WRK_TIMEOUT_SECONDS = 10
GRACE_SECONDS = 60


@dataclass(frozen=True)
class Request:
    """One HTTP request; `authorization` and `body` (a form) may be missing."""

    method: str
    path: str
    authorization: str | None = None
    body: str | None = None

    def line(self) -> str:
        return "\t".join((self.method, self.path, self.authorization or "-", self.body or "-"))


@dataclass(frozen=True)
class Sample:
    """What one round of one variant at one number of connections showed."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    non_2xx: int
    broken: int
    server_cpu_seconds: float
    client_cpu_seconds: float
    foreign_cpu_share: float
    written_bytes: int
    resident_mb: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.server_cpu_seconds * 1e6 / self.requests

    @property
    def written_per_request(self) -> float:
        return self.written_bytes / self.requests

    @property
    def is_void(self) -> bool:
        """A round with any refused or broken request measured something else."""
        return self.requests == 0 or self.non_2xx > 0 or self.broken > 0

    def record(self) -> dict[str, object]:
        return asdict(self)


def write_requests(path: Path, requests: list[Request]) -> Path:
    path.write_text("".join(request.line() + "\n" for request in requests))
    path.chmod(0o600)
    return path


class Load:
    """A running wrk; `result` waits for it."""

    def __init__(self, url: str, requests: Path, connections: int, seconds: float, *options: str):
        self._limit = seconds + WRK_TIMEOUT_SECONDS + GRACE_SECONDS
        whole_seconds = max(1, round(seconds))
        self._wrk = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{whole_seconds}s", "--timeout", f"{WRK_TIMEOUT_SECONDS}s",
             "-s", str(SCRIPT), url, "--", str(requests), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def result(self) -> tuple[dict[str, float], float]:
        """The script's figures, and the CPU seconds of wrk itself."""
        before = os.times()
        try:
            output, _ = self._wrk.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired:
            self._wrk.kill()
            self._wrk.communicate()
            raise Failure(f"wrk did not end within {self._limit:.0f} s; is the server stuck?") from None
        after = os.times()
        line = next((text for text in output.splitlines() if text.startswith("BENCH ")), None)
        if self._wrk.returncode != 0 or line is None:
            raise Failure(f"wrk failed with {self._wrk.returncode}:\n{output[-2000:]}")
        cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
        return json.loads(line.removeprefix("BENCH ")), cpu


def measure(server: Server, load: "LoadPlan", connections: int, seconds: float) -> Sample:
    """One round: counters before, load, counters after."""
    busy, before = machine.busy_seconds(), server.usage()
    figures, client_cpu = Load(load.url, load.requests, connections, seconds, *load.options).result()
    used, busy = server.usage() - before, machine.busy_seconds() - busy
    foreign = max(0.0, busy - used.cpu_seconds - client_cpu)
    return Sample(
        requests=int(figures["requests"]), seconds=figures["seconds"], p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"], max_ms=figures["max_ms"], non_2xx=int(figures["non_2xx"]),
        broken=int(figures["broken"]), server_cpu_seconds=used.cpu_seconds, client_cpu_seconds=client_cpu,
        foreign_cpu_share=foreign / (figures["seconds"] * machine.cores()), written_bytes=used.written_bytes,
        resident_mb=server.resident_mb(),
    )


@dataclass(frozen=True)
class LoadPlan:
    """Where to send which requests."""

    url: str
    requests: Path
    options: tuple[str, ...] = ()
