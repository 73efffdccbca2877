"""How long calls take at a rate that is offered to both, and what a storm of sign-ins does to them.

A call's time runs from the moment when it was due, so a server that stalls is charged for what queues. What is
measured has one half of the cores, the generator and the upstream the other: else they would delay each other,
and a generator that waits for a core finds every call slow.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import machine
from ..goals import rate
from ..http import form
from ..latchkey import TOKEN
from ..load import Paced, Request, Sample, sample, write_requests
from ..process import Server
from ..rounds import Results
from .goals import CONNECTIONS
from .side_by_side import HOT, PLAIN, Sides

# Shares of what nginx forwards at most: the rate of the comparison, and one that leaves room for hashing.
OFFERED, LIGHT = 0.50, 0.25
NGINX_OFFERED, GATEWAY_OFFERED = "offered.nginx", "offered.gateway"
CALM, STORM = "calm", "storm"
SIGN_INS_A_SECOND, WRONG = 100, 400
# Rounds and seconds here: a p99 needs more calls than a mean.
ROUNDS, SECONDS = 5, 3
# How much shorter than the storm the load beside it is, before and after together.
MARGIN_SECONDS = 2
# A server that answers less than this share of what is offered is not at that load.
KEPT_UP = 0.97
OFFERED_RATE, HASHED = "offered.rate", "storm.hashed_per_second"


def at_rate(sides: Sides, server: Server, url: str, per_second: int) -> Sample:
    """The calls with hot tokens, so many a second."""
    file = sides.settings.directory / f"{HOT}.requests"
    others = tuple({sides.upstream, sides.gateway, sides.nginx.server} - {server})
    return sample(server, others, lambda: Paced(
        sides.filled.binaries, url, file, SECONDS, "--rate", str(per_second),
        "--connections", str(CONNECTIONS), cores=machine.halves()[1],
    ))


@contextmanager
def apart(sides: Sides) -> Iterator[None]:
    """The servers that are measured on one half of the cores, the upstream on the other."""
    measured, measuring = machine.halves()
    every = measured | measuring
    for server, cores in ((sides.gateway, measured), (sides.nginx.server, measured), (sides.upstream, measuring)):
        machine.pin(server.pid, cores)
    try:
        yield
    finally:
        for server in (sides.gateway, sides.nginx.server, sides.upstream):
            machine.pin(server.pid, every)


def run(results: Results, sides: Sides, part: Callable[[Results, Sides], None]) -> None:
    """A part, with the cores divided."""
    with apart(sides):
        part(results, sides)


def kept(results: Results, name: str, title: str, taken: Sample, per_second: int) -> bool:
    """Keeps a sample that is not void; what else speaks against it is reported."""
    if taken.is_void:
        results.voided.append(f"{name}: {taken.non_2xx} refused, {taken.broken} broken of {taken.requests}")
        return False
    if taken.is_noisy:
        results.voided.append(f"{name}: others took {taken.foreign_cpu_share:.0%} of the cores; counted all the same")
    if taken.per_second < KEPT_UP * per_second:
        results.voided.append(
            f"{name}: {taken.per_second:,.0f} answers a second to {per_second:,} calls, so they queued; counted all the same"
        )
    results.titles[name] = title
    results.samples.setdefault((name, CONNECTIONS), []).append(taken)
    return True


def rounds(sides: Sides) -> int:
    return min(ROUNDS, sides.settings.rounds)


def take_offered(results: Results, sides: Sides) -> None:
    """p99 of both at half of what nginx forwards at most."""
    most = results.median((PLAIN, CONNECTIONS), rate)
    if not most:
        results.failed[GATEWAY_OFFERED] = "nginx's own rate is not known"
        return
    per_second = round(most * OFFERED)
    results.note(OFFERED_RATE, per_second)
    for number in range(1, rounds(sides) + 1):
        print(f"equal load, round {number} of {rounds(sides)} …", flush=True)
        for name, title, server, url in (
            (NGINX_OFFERED, "nginx, half of its most offered", sides.nginx.server, sides.nginx.plain),
            (GATEWAY_OFFERED, "Latchkey, the same offered", sides.gateway, sides.filled.latchkey.gateway),
        ):
            kept(results, name, title, at_rate(sides, server, url, per_second), per_second)


def wrong_sign_ins(sides: Sides) -> list[Request]:
    latchkey, application = sides.filled.latchkey, sides.filled.who.signing_in[0]
    body = form(grant_type="password", username=latchkey.demo["user"]["username"], password="not the password")
    return [Request("POST", TOKEN, application.authorization, body)]


def take_storm(results: Results, sides: Sides) -> None:
    """p99 of light traffic before and during a storm of wrong passwords; through nginx for control."""
    most = results.median((PLAIN, CONNECTIONS), rate)
    if not most:
        results.failed[STORM] = "nginx's own rate is not known"
        return
    per_second = round(most * LIGHT)
    file = write_requests(sides.settings.directory / "sign-in.requests", wrong_sign_ins(sides))
    ways = {
        "gateway": (sides.gateway, sides.filled.latchkey.gateway), "nginx": (sides.nginx.server, sides.nginx.plain),
    }
    for number in range(1, rounds(sides) + 1):
        print(f"storm of sign-ins, round {number} of {rounds(sides)} …", flush=True)
        for name, (server, url) in ways.items():
            calm = at_rate(sides, server, url, per_second)
            sign_ins = Paced(
                sides.filled.binaries, sides.filled.latchkey.url, file, SECONDS + MARGIN_SECONDS,
                "--rate", str(SIGN_INS_A_SECOND), "--expect", str(WRONG), "--connections", str(SIGN_INS_A_SECOND),
                cores=machine.halves()[1],
            )
            stormy = at_rate(sides, server, url, per_second)
            figures, _ = sign_ins.result()
            whole = kept(results, f"{CALM}.{name}", f"{name}, a quarter offered", calm, per_second)
            if kept(results, f"{STORM}.{name}", f"{name}, with wrong sign-ins beside", stormy, per_second) and whole:
                results.note(f"{STORM}.{name}.p99_ratio", stormy.p99_ms / calm.p99_ms)
            hashed = figures["requests"] - figures["non_2xx"] - figures["broken"]
            results.note(HASHED, hashed / figures["seconds"])
