"""The goals of the token server as arithmetic on the results; every one is a ratio or a bound."""

from dataclasses import dataclass

from .load import Sample
from .rounds import Key, Results
from .variant import FEW, MANY


@dataclass(frozen=True)
class Goal:
    """`measured` is `None` when this run did not measure it; `aim` is the goal beyond the limit, if any."""

    title: str
    limit: float
    measured: float | None
    at_least: bool = False
    aim: float | None = None
    unit: str = ""

    def reaches(self, bound: float | None) -> bool:
        if bound is None or self.measured is None:
            return False
        return self.measured >= bound if self.at_least else self.measured <= bound

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        if self.reaches(self.aim):
            return "met, aim too"
        return "met" if self.reaches(self.limit) else "MISSED"


def cpu(sample: Sample) -> float:
    return sample.cpu_us


def rate(sample: Sample) -> float:
    return sample.per_second


def written(sample: Sample) -> float:
    return sample.written_per_request / 1000


def against_peer(results: Results) -> list[Goal]:
    def compared(ours: str, peers: str) -> float | None:
        return results.ratio((ours, FEW), (peers, FEW), cpu)

    return [
        Goal("ES256 issue, CPU against oidc-provider", 1 / 6,
             compared("latchkey.issue.es256.sqlite", "peer.issue.es256"), aim=1 / 8),
        Goal("introspection, CPU against oidc-provider", 1 / 15,
             compared("latchkey.introspect.opaque", "peer.introspect")),
        Goal("RS256 issue, CPU against oidc-provider", 1 / 2,
             compared("latchkey.issue.rs256.sqlite", "peer.issue.rs256")),
    ]


def durability(results: Results) -> list[Goal]:
    def kept(connections: int) -> float | None:
        on, off = "latchkey.issue.es256.sqlite", "latchkey.issue.es256.memory"
        return results.ratio((on, connections), (off, connections), rate)

    def bytes_at(connections: int) -> float | None:
        return results.median(("latchkey.issue.es256.sqlite", connections), written)

    signing = results.figure("raw.rsa2048_pkcs1_sha256_sign.per_second_per_core")
    rs256 = results.median(("latchkey.issue.rs256.sqlite", FEW), rate)
    return [
        Goal("ES256 issue, rate with the store over without, 32 connections", 0.40, kept(FEW), True, 0.55),
        Goal("ES256 issue, rate with the store over without, 256 connections", 0.50, kept(MANY), True),
        Goal("RS256 issue, rate over twice one core's raw RSA", 0.75,
             rs256 / (2 * signing) if rs256 and signing else None, True),
        Goal("written per ES256 issue, 32 connections", 10, bytes_at(FEW), unit="kB"),
        Goal("written per ES256 issue, 256 connections", 10, bytes_at(MANY), unit="kB"),
    ]


def near_bare(results: Results) -> list[Goal]:
    goals = []
    for title, name in (("introspection", "latchkey.introspect.opaque"), ("opaque reuse", "latchkey.reuse")):
        for connections in (FEW, MANY):
            ours: Key = (name, connections)
            goals.append(Goal(f"{title}, CPU over a bare hyper reply (GET), {connections} connections", 1.6,
                              results.ratio(ours, ("bare.get", connections), cpu)))
    return goals


def passwords(results: Results) -> list[Goal]:
    return [
        Goal("password grant, rate over raw two-thread Argon2id", 0.93, results.figure("password.of_raw"), True),
        Goal("p99 of other grants while passwords saturate, over before", 2.0,
             results.figure("light.latchkey.p99_ratio")),
    ]


def size(results: Results) -> list[Goal]:
    def grown(name: str) -> float | None:
        return results.figure(f"growth.{name}.random.cpu_ratio.{FEW}")

    return [
        Goal("issue with one million families, CPU over the empty store", 1.2, grown("1m")),
        Goal("issue with ten million families, CPU over the empty store", 1.4, grown("10m")),
        Goal("rows of the family table after many issues on 10,000 devices", 10_000,
             results.figure("churn.family_rows")),
        Goal("start-up with one million families", 300, results.figure("growth.1m.start_ms"), unit="ms"),
        Goal("start-up with an empty store", 300, results.figure("start.empty_ms"), unit="ms"),
        Goal("resident memory after the load, less 250 bytes per cached family", 100,
             results.figure("memory.resident_mb"), unit="MB"),
    ]


def all_goals(results: Results) -> list[Goal]:
    sections = (against_peer, durability, near_bare, passwords, size)
    return [goal for section in sections for goal in section(results)]
