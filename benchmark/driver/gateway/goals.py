"""What a checked call may cost, as ratios to what nginx does in the same run."""

from ..goals import Goal, cpu, rate
from ..load import Sample
from ..rounds import Results

CONNECTIONS = 64
__all__ = ["goals", "cpu", "rate"]


def p99(sample: Sample) -> float:
    return sample.p99_ms


def goals(results: Results) -> list[Goal]:
    sections = (of_calls, of_refusals, of_size, of_latency, of_revocation)
    return [goal for section in sections for goal in section(results)]


def between(results: Results, upper: str, lower: str, quantity=cpu) -> float | None:
    return results.ratio((upper, CONNECTIONS), (lower, CONNECTIONS), quantity)


def of_calls(results: Results) -> list[Goal]:
    plain = "nginx.plain"
    ours = results.median(("gateway.opaque.hot", CONNECTIONS), cpu)
    unchecked = between(results, "gateway.open", "gateway.opaque.hot")
    asking = results.median(("nginx.auth_request", CONNECTIONS), cpu)
    introspecting = results.figure("nginx.auth_request.introspection_cpu_us")
    whole = asking + introspecting if asking and introspecting else None
    return [
        Goal("call, few opaque tokens, CPU over nginx's plain proxying", 1.20,
             between(results, "gateway.opaque.hot", plain), aim=0.95),
        Goal("call, few opaque tokens, rate over nginx's plain proxying", 0.85,
             between(results, "gateway.opaque.hot", plain, rate), at_least=True),
        Goal("call, opaque tokens of all families, CPU over nginx's plain proxying", 1.20,
             between(results, "gateway.opaque.spread", plain), aim=0.95),
        Goal("call, opaque tokens of all families, rate over nginx's", 0.85,
             between(results, "gateway.opaque.spread", plain, rate), at_least=True),
        Goal("check of the token, share of a call's CPU", 0.10,
             None if unchecked is None else 1 - unchecked),
        Goal("call with a JWT, CPU over one with an opaque token", 1.15,
             between(results, "gateway.jwt", "gateway.opaque.hot")),
        Goal("call with an opaque token, CPU over nginx with auth_request", 0.30, ours / whole if ours and whole else None),
    ]


def of_refusals(results: Results) -> list[Goal]:
    return [
        Goal("garbage token refused, CPU over nginx's proxied request", 0.50,
             between(results, "gateway.garbage", "nginx.plain")),
        Goal("revoked token refused, CPU over nginx's proxied request", 0.60,
             between(results, "gateway.revoked", "nginx.plain")),
        Goal("call over its limit refused, CPU over nginx's proxied request", 0.60,
             between(results, "gateway.over_limit", "nginx.plain")),
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
