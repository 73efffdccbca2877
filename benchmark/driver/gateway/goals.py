"""What a checked call may cost, as ratios to what nginx does in the same run."""

from collections.abc import Callable

from ..goals import Goal, cpu
from ..load import Sample
from ..rounds import Results

CONNECTIONS = 64


def p99(sample: Sample) -> float:
    return sample.p99_ms


def goals(results: Results) -> list[Goal]:
    sections = (of_calls, of_refusals, of_size, of_latency, of_revocation, of_nodes)
    return [goal for section in sections for goal in section(results)]


def between(results: Results, upper: str, lower: str, quantity: Callable[[Sample], float] = cpu) -> float | None:
    return results.ratio((upper, CONNECTIONS), (lower, CONNECTIONS), quantity)


def over_nginx(name: str, quantity: str) -> str:
    """The name of the figure that says what a variant is to nginx's plain proxying beside it."""
    return f"over_nginx.{name}.{quantity}"


def beside(results: Results, name: str, quantity: str = "cpu") -> float | None:
    return results.figure(over_nginx(name, quantity))


def relative(results: Results, upper: str, lower: str) -> float | None:
    """The CPU of two variants, each as a ratio to nginx beside it."""
    above, below = beside(results, upper), beside(results, lower)
    return above / below if above and below else None


def of_calls(results: Results) -> list[Goal]:
    hot, spread = "gateway.opaque.hot", "gateway.opaque.spread"
    unchecked = relative(results, "gateway.open", hot)
    ours, asking = beside(results, hot), beside(results, "nginx.auth_request")
    introspecting, plain = results.figure("nginx.auth_request.introspection_cpu_us"), median_cpu(results, "nginx.plain")
    whole = asking + introspecting / plain if asking and introspecting and plain else None
    return [
        Goal("call, few opaque tokens, CPU over nginx's plain proxying", 1.20, beside(results, hot), aim=0.95),
        Goal("call, few opaque tokens, rate over nginx's plain proxying", 0.85, beside(results, hot, "rate"), at_least=True),
        Goal("call, opaque tokens of all families, CPU over nginx's", 1.20, beside(results, spread), aim=0.95),
        Goal("call, opaque tokens of all families, rate over nginx's", 0.85, beside(results, spread, "rate"), at_least=True),
        Goal("check of the token, share of a call's CPU", 0.10, None if unchecked is None else 1 - unchecked),
        Goal("call with a JWT, CPU over one with an opaque token", 1.15, relative(results, "gateway.jwt", hot)),
        Goal("call with an opaque token, CPU over nginx with auth_request", 0.30, ours / whole if ours and whole else None),
    ]


def median_cpu(results: Results, name: str) -> float | None:
    return results.median((name, CONNECTIONS), cpu)


def of_refusals(results: Results) -> list[Goal]:
    return [
        Goal("garbage token refused, CPU over nginx's proxied request", 0.50, beside(results, "gateway.garbage")),
        Goal("revoked token refused, CPU over nginx's proxied request", 0.60, beside(results, "gateway.revoked")),
        Goal("call over its limit refused, CPU over nginx's proxied request", 0.60, beside(results, "gateway.over_limit")),
    ]


def of_size(results: Results) -> list[Goal]:
    return [
        Goal("ten million families, CPU over one million", 1.15,
             between(results, "gateway.opaque.spread.10m", "gateway.opaque.spread.again")),
        Goal("memory for each cached token", 250, results.figure("memory.bytes_per_cached_token"), unit="B"),
    ]


def of_latency(results: Results) -> list[Goal]:
    return [
        Goal("p99 at half of nginx's most, over nginx's", 1.30, between(results, "offered.gateway", "offered.nginx", p99)),
        Goal("p99 with 100 wrong sign-ins a second, over without", 1.15, results.figure("storm.gateway.p99_ratio")),
    ]


def of_revocation(results: Results) -> list[Goal]:
    return [
        Goal("commit of a revocation to refusal, p99", 1.0, results.figure("revocation.commit_to_refusal.p99_ms"), unit="ms"),
        Goal("revocation, whole call, p99 over the median durable commit", 3.0,
             results.figure("revocation.whole.p99_over_median_commit")),
        Goal("calls admitted after a revocation had been answered", 0, results.figure("revocation.admitted_late")),
    ]


def of_nodes(results: Results) -> list[Goal]:
    within = max(results.figures.get("partition.last_admitted_ms", ()), default=None)
    return [
        Goal("revocation to refusal at a node, p99", 250, results.figure("remote.sent_to_refusal.p99_ms"), unit="ms"),
        Goal("last call admitted after a revocation in a partition", 2000, within, unit="ms"),
    ]
