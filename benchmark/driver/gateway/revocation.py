"""How soon a revoked token is refused, from its commit and from its request, in the same process."""

import json
import time

from .. import tools
from ..load import write_requests
from ..rounds import Results
from .filled import DATABASE, bearer, revocation
from .side_by_side import Sides

PREFIX = "revocation"


def run(results: Results, sides: Sides, count: int) -> None:
    """Revokes `count` tokens that are in use; the program `revocations` says what is measured."""
    figures = revoke(sides, count, sides.filled.latchkey.gateway,
                     "--database", str(sides.filled.directory / DATABASE))
    note(results, PREFIX, figures)
    results.note(f"{PREFIX}.whole.p99_over_median_commit", figures["whole"]["p99_ms"] / figures["commit"]["p50_ms"])


def revoke(sides: Sides, count: int, gateway: str, *options: str) -> dict[str, object]:
    filled, directory = sides.filled, sides.settings.directory
    holders, tokens = filled.fresh(filled.who.opaque, count, f"ends{time.monotonic_ns()}x")
    requests = [revocation(holder, token) for holder, token in zip(holders, tokens)]
    yardstick = filled.directory / "yardstick.db"
    for leftover in filled.directory.glob("yardstick.db*"):
        leftover.unlink()
    return json.loads(tools.run([
        str(filled.binaries / "revocations"), "--server", filled.latchkey.url, "--gateway", gateway,
        "--revocations", str(write_requests(directory / "revocations.requests", requests)),
        "--calls", str(write_requests(directory / "revoked.requests", [bearer(token) for token in tokens])),
        "--yardstick", str(yardstick), *options,
    ]))


def note(results: Results, prefix: str, figures: dict[str, object]) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            for percentile, milliseconds in value.items():
                results.note(f"{prefix}.{name}.{percentile}", milliseconds)
        else:
            results.note(f"{prefix}.{name}", value)
