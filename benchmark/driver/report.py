"""The results as a table for people and as JSON for programs."""

import json
from dataclasses import asdict
from pathlib import Path

from . import machine, tools
from .goals import Goal
from .rounds import Results

ROW = "{:<38}{:>5} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8}"
NOISY_SHARE = 0.05


def table(results: Results) -> str:
    """One line per variant and number of connections; medians over the rounds."""
    lines = [ROW.format("variant", "conn", "req/s", "p50 ms", "p99 ms", "CPU us", "wrk us", "kB/req", "RSS MB")]
    for (name, connections), samples in results.samples.items():
        key = (name, connections)
        lines.append(ROW.format(
            results.titles[name], connections,
            f"{results.median(key, lambda s: s.per_second):,.0f}",
            f"{results.median(key, lambda s: s.p50_ms):.2f}",
            f"{results.median(key, lambda s: s.p99_ms):.2f}",
            f"{results.median(key, lambda s: s.cpu_us):,.1f}",
            f"{results.median(key, lambda s: s.client_cpu_seconds * 1e6 / s.requests):.1f}",
            f"{results.median(key, lambda s: s.written_per_request) / 1000:.2f}",
            f"{results.median(key, lambda s: s.resident_mb):.0f}",
        ))
    return "\n".join(lines)


def cores(results: Results) -> str:
    """Who used how much of a core, so that it shows whether the generator of the load was the bottleneck."""
    lines = [f"{'share of one core':<38}{'server':>9} {'helpers':>9} {'generator':>10} {'others':>9}"]
    for (name, connections), samples in results.samples.items():
        key = (name, connections)
        used = (
            results.median(key, lambda s: s.server_cpu_seconds / s.seconds),
            results.median(key, lambda s: s.helper_cpu_seconds / s.seconds),
            results.median(key, lambda s: s.client_cpu_seconds / s.seconds),
            results.median(key, lambda s: s.foreign_cpu_share * machine.cores()),
        )
        lines.append("{:<38}{:>9.0%} {:>9.0%} {:>10.0%} {:>9.0%}".format(results.titles[name], *used))
    return "\n".join(lines)


def figures(results: Results) -> str:
    """Single figures, their medians, and between what they lay."""
    lines = []
    for name, values in results.figures.items():
        line = f"{name:<46}{results.figure(name):>14,.3f}"
        if len(values) > 1:
            line += f"   {min(values):,.3f} … {max(values):,.3f}"
        lines.append(line)
    return "\n".join(lines)


def fraction(value: float, unit: str) -> str:
    """Small ratios read best as one over something."""
    if not unit and 0 < value < 0.34:
        return f"1/{1 / value:.1f}"
    return f"{value:,.2f} {unit}".rstrip() if value < 1000 else f"{value:,.0f} {unit}".rstrip()


def verdicts(goals: list[Goal]) -> str:
    lines = [f"{'goal':<70}{'limit':>14}{'measured':>12}  verdict"]
    for goal in goals:
        limit = ("≥ " if goal.at_least else "≤ ") + fraction(goal.limit, goal.unit)
        measured = "-" if goal.measured is None else fraction(goal.measured, goal.unit)
        lines.append(f"{goal.title:<70}{limit:>14}{measured:>12}  {goal.verdict}")
    return "\n".join(lines)


def noise(results: Results) -> str:
    """How much of the machine went to processes that are not part of the benchmark."""
    shares = sorted(sample.foreign_cpu_share for samples in results.samples.values() for sample in samples)
    if not shares:
        return ""
    middle, most = shares[len(shares) // 2], shares[-1]
    text = f"Other processes used {middle:.0%} of the cores (median; at most {most:.0%})."
    if middle > NOISY_SHARE:
        text += " Trust CPU per request and ratios; rates and p99 are lower and upper bounds."
    return text


def document(results: Results, goals: list[Goal], settings: dict[str, object]) -> dict[str, object]:
    return {
        "revision": tools.revision(),
        "machine": machine.description(),
        "settings": settings,
        "samples": [
            {"variant": name, "connections": connections, "rounds": [sample.record() for sample in samples]}
            for (name, connections), samples in results.samples.items()
        ],
        "figures": results.figures,
        "goals": [{**asdict(goal), "verdict": goal.verdict} for goal in goals],
        "voided": results.voided,
        "failed": results.failed,
    }


def save(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
