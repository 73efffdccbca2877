"""What a large registry may take; these are bounds, not ratios, since portals have no yardstick of their own."""

from ..goals import Goal, rate
from ..load import Sample
from ..rounds import Results
from .changes import IN_FORCE, KEYS
from .imported import IMPORTED
from .questions import CONNECTIONS

P99_MS = 20.0


def p99(sample: Sample) -> float:
    return sample.p99_ms


def goals(results: Results) -> list[Goal]:
    asked = [name for name, _ in results.samples if name != KEYS]
    of_pages = [
        Goal(f"{results.titles[name]}, p99", P99_MS, results.median((name, CONNECTIONS), p99), unit="ms") for name in asked
    ]
    return [
        *of_pages,
        Goal("keys generated, each with a token, a second", 500, results.median((KEYS, CONNECTIONS), rate), at_least=True),
        Goal("block sent to call refused, p99", 100, results.figure(f"{IN_FORCE}.p99_ms"), unit="ms"),
        Goal("calls admitted after a block had been answered", 0, results.figure(f"{IN_FORCE}.admitted_late")),
        Goal("one million WSO2 tokens imported", 120, results.figure(f"{IMPORTED}.seconds_per_million"), unit="s"),
    ]
