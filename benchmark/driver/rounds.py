"""Alternating rounds: every round runs each variant once, so that drift of the machine hits all alike."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from .load import Sample, measure
from .variant import Variant

Key = tuple[str, int]
ATTEMPTS = 3


@dataclass
class Results:
    """Samples by variant and connections, one per round, and single figures by name, one per round."""

    titles: dict[str, str] = field(default_factory=dict)
    samples: dict[Key, list[Sample]] = field(default_factory=dict)
    figures: dict[str, list[float]] = field(default_factory=dict)
    voided: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def figure(self, name: str) -> float | None:
        """The median of a single figure."""
        values = self.figures.get(name)
        return statistics.median(values) if values else None

    def median(self, key: Key, quantity: Callable[[Sample], float]) -> float | None:
        """The median over the rounds of something a sample shows."""
        samples = self.samples.get(key)
        return statistics.median(map(quantity, samples)) if samples else None

    def ratio(self, upper: Key, lower: Key, quantity: Callable[[Sample], float]) -> float | None:
        """The median of the ratios within each round: what drifts from round to round cancels."""
        pairs = list(zip(self.samples.get(upper, []), self.samples.get(lower, [])))
        return statistics.median(quantity(a) / quantity(b) for a, b in pairs) if pairs else None


def take(results: Results, variant: Variant, connections: int, seconds: float) -> None:
    """One valid sample; a round with refused or broken requests is void and tried again a few times.

    A variant that gives none is left out from then on, and the report says so. Where all servers of a run are
    known, a sample that others disturbed is taken again too; the last one counts, with a note.
    """
    if variant.name in results.failed:
        return
    for attempt in range(1, ATTEMPTS + 1):
        sample = measure(variant.server, variant.plan, connections, seconds)
        if variant.plan.helpers and sample.is_noisy and not sample.is_void:
            counts = attempt == ATTEMPTS
            results.voided.append(
                f"{variant.name} at {connections}: others took {sample.foreign_cpu_share:.0%} of the cores"
                + ("; counted all the same" if counts else "")
            )
            if not counts:
                continue
        if not sample.is_void:
            results.titles[variant.name] = variant.title
            results.samples.setdefault((variant.name, connections), []).append(sample)
            return
        results.voided.append(
            f"{variant.name} at {connections}: {sample.non_2xx} refused, {sample.broken} broken of {sample.requests}"
        )
    results.failed[variant.name] = f"{results.voided[-1]}.\n{variant.server.log_tail()}"


def warm_up(variants: list[Variant], seconds: float) -> None:
    """Each variant once without counting: first issues create rows, caches fill, code is compiled (Node)."""
    for variant in variants:
        measure(variant.server, variant.plan, variant.connections[0], seconds)


def alternate(results: Results, variants: list[Variant], seconds: float) -> None:
    """One round. Odd rounds go backwards, so that nobody always follows the same neighbour."""
    in_turn = [(variant, connections) for variant in variants for connections in variant.connections]
    if max(map(len, results.samples.values()), default=0) % 2:
        in_turn.reverse()
    for variant, connections in in_turn:
        take(results, variant, connections, seconds)
