"""The same calls over a store that holds many more families."""

from contextlib import closing

from ..rounds import Results, take, warm_up
from .filled import Filled, bearer
from .goals import CONNECTIONS
from .side_by_side import SPREAD, Sides

SMALLER, LARGER = f"{SPREAD}.again", f"{SPREAD}.10m"


class Stopping:
    """Lets `closing` stop a store."""

    def __init__(self, filled: Filled):
        self.filled, self.close = filled, filled.stop


def run(results: Results, sides: Sides, spread: list[str], families: int) -> None:
    """Rounds of both stores in turn."""
    upstream = sides.upstream.ready_line.split()[1]
    with closing(Stopping(Filled(sides.filled.binaries, sides.settings, families, upstream))) as larger:
        other = Sides(larger.filled, sides.nginx, sides.upstream, sides.settings)
        tokens = larger.filled.spread(len(spread))
        variants = [
            sides.calls(SMALLER, "Latchkey, opaque, tokens of all, again", [bearer(token) for token in spread]),
            other.calls(LARGER, f"Latchkey, opaque, tokens of {families:,}", [bearer(token) for token in tokens]),
        ]
        warm_up(variants, sides.settings.seconds)
        for _ in range(sides.settings.rounds):
            for one in variants:
                take(results, one, CONNECTIONS, sides.settings.seconds)
