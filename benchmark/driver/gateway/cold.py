"""Calls with tokens that no cache has yet, and the memory that each takes once it is there."""

from ..load import Load, Paced, sample, write_requests
from ..rounds import Results
from .filled import bearer
from .goals import CONNECTIONS
from .side_by_side import HOT, Sides

CPU, P99, BYTES = "cold.cpu_us", "cold.p99_ms", "memory.bytes_per_cached_token"


def run(results: Results, sides: Sides, spread: list[str]) -> None:
    """After a restart each token once. The first half also fills what is not for tokens, such as the
    database's own pages; memory is compared over the second."""
    sides.filled.restart()
    latchkey, directory = sides.filled.latchkey, sides.settings.directory
    Load(latchkey.gateway, directory / f"{HOT}.requests", CONNECTIONS, 1).result()
    half = len(spread) // 2
    samples, cached, resident = [], [], []
    for name, tokens in (("first", spread[:half]), ("second", spread[half:])):
        file = write_requests(directory / f"cold-{name}.requests", [bearer(token) for token in tokens])
        samples.append(sample(latchkey.server, (sides.upstream,), lambda: Paced(
            sides.filled.binaries, latchkey.gateway, file, 60, "--once", "--connections", str(CONNECTIONS),
        )))
        cached.append(latchkey.family_cache().families)
        resident.append(latchkey.server.resident_mb())
    second = samples[1]
    if second.is_void:
        results.failed["cold"] = f"{second.non_2xx} refused, {second.broken} broken of {second.requests}"
        return
    results.note(CPU, second.cpu_us)
    results.note(P99, second.p99_ms)
    results.note(BYTES, (resident[1] - resident[0]) * 1e6 / (cached[1] - cached[0]))
