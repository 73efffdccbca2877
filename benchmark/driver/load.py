"""Load: a file of requests sent in turn over keep-alive connections, by wrk as fast as the answers come, or
by `paced` (crates/bench) at a fixed rate."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import machine
from .failure import Failure
from .process import Server

# What one thing of a run may lose to processes that do not belong to it, as a share of all cores.
MOST_FOREIGN_SHARE = 0.10
SCRIPT = Path(__file__).parents[1] / "wrk" / "requests.lua"
WRK_TIMEOUT_SECONDS = 10
GRACE_SECONDS = 60


@dataclass(frozen=True)
class Request:
    """One HTTP request; `authorization` and `body` (a form, or JSON that begins with `{`) may be missing."""

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
    helper_cpu_seconds: float = 0.0

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

    @property
    def is_noisy(self) -> bool:
        """Others took so much of the machine that rates and p99 say little."""
        return self.foreign_cpu_share > MOST_FOREIGN_SHARE

    def record(self) -> dict[str, object]:
        return asdict(self)


def write_requests(path: Path, requests: list[Request]) -> Path:
    path.write_text("".join(request.line() + "\n" for request in requests))
    path.chmod(0o600)
    return path


class Generator:
    """A running program that makes load and prints a line of JSON in the end; `result` waits for it."""

    mark = ""

    def __init__(self, command: list[str], seconds: float, cores: frozenset[int] | None = None):
        self._name, self._limit = Path(command[0]).name, seconds + WRK_TIMEOUT_SECONDS + GRACE_SECONDS
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        if cores:
            machine.pin(self._child.pid, cores)

    def result(self) -> tuple[dict[str, float], float]:
        """The figures that it printed, and the CPU seconds that it used itself."""
        before = os.times()
        try:
            output, _ = self._child.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            raise Failure(f"{self._name} did not end within {self._limit:.0f} s; is the server stuck?") from None
        after = os.times()
        line = next((text for text in output.splitlines() if text.startswith(self.mark + "{")), None)
        if self._child.returncode != 0 or line is None:
            raise Failure(f"{self._name} failed with {self._child.returncode}:\n{output[-2000:]}")
        cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
        return json.loads(line.removeprefix(self.mark)), cpu


class Load(Generator):
    """wrk with one thread: every connection sends as soon as it was answered."""

    mark = "BENCH "

    def __init__(self, url: str, requests: Path, connections: int, seconds: float, *options: str):
        super().__init__([
            "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", f"{WRK_TIMEOUT_SECONDS}s",
            "-s", str(SCRIPT), url, "--", str(requests), *options,
        ], seconds)


class Paced(Generator):
    """`paced` with options of its own: a fixed rate, HTTP/2, or every request once; on `cores`, where that matters."""

    def __init__(
        self, binaries: Path, url: str, requests: Path, seconds: float, *options: str,
        cores: frozenset[int] | None = None,
    ):
        command = [str(binaries / "paced"), "--url", url, "--requests", str(requests)]
        super().__init__([*command, "--seconds", str(max(1, round(seconds))), *options], seconds, cores)


def measure(server: Server, load: "LoadPlan", connections: int, seconds: float) -> Sample:
    """One round of wrk: counters before, load, counters after."""
    return sample(
        server, load.helpers,
        lambda: Load(load.url, load.requests, connections, seconds, *load.options),
    )


def sample(server: Server, helpers: tuple[Server, ...], start: Callable[[], Generator]) -> Sample:
    """What a generator of load and the operating system say about `server`; `helpers` belong to the run too."""

    def helping() -> float:
        return sum(helper.usage().cpu_seconds for helper in helpers)

    busy, before, helped = machine.busy_seconds(), server.usage(), helping()
    figures, client_cpu = start().result()
    used, helped, busy = server.usage() - before, helping() - helped, machine.busy_seconds() - busy
    foreign = max(0.0, busy - used.cpu_seconds - client_cpu - helped)
    return Sample(
        requests=int(figures["requests"]), seconds=figures["seconds"], p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"], max_ms=figures["max_ms"], non_2xx=int(figures["non_2xx"]),
        broken=int(figures["broken"]), server_cpu_seconds=used.cpu_seconds, client_cpu_seconds=client_cpu,
        foreign_cpu_share=foreign / (figures["seconds"] * machine.cores()), written_bytes=used.written_bytes,
        resident_mb=server.resident_mb(), helper_cpu_seconds=helped,
    )


@dataclass(frozen=True)
class LoadPlan:
    """Where to send which requests. `helpers` are servers that work for the one that is measured."""

    url: str
    requests: Path
    options: tuple[str, ...] = ()
    helpers: tuple[Server, ...] = ()
