"""How soon a node beside no server refuses a revoked token, also while its network is down."""

import json
import random
import time
from contextlib import ExitStack
from pathlib import Path

from .. import tools
from ..failure import Failure
from ..latchkey import READY
from ..load import Generator, Paced, write_requests
from ..process import Server
from ..rounds import Results
from . import revocation
from .filled import SEED, bearer
from .relay import Relay
from .side_by_side import Sides

PREFIX, PARTITION = "remote", "partition"
BOUND_MS = 2000
LISTENERS = ("operations.listen", "gateway.http_listen", "gateway.https_listen")
# Calls a second with the revoked token, and with one that stays valid.
PROBES_A_SECOND = 200
ADMITTED = 200
# Of a partition, in seconds: calls before it, the longest until the revocation, calls after the bound, calls
# after its end.
BEFORE, REVOKED_WITHIN, AFTER_BOUND, AFTERWARDS = 0.5, 1.0, 1.0, 3.0
NODE_START_SECONDS = 15


class Node:
    """`latchkey gateway`, which asks the server through a relay."""

    def __init__(self, sides: Sides, server: str):
        directory = sides.settings.directory / "node"
        directory.mkdir(mode=0o700)
        binary = str(sides.filled.binaries / "latchkey")
        secret = directory / "secret"
        secret.touch(0o600)
        secret.write_text(tools.run([binary, "node", "create", "bench", "--data-dir", str(sides.filled.directory)]))
        settings = [
            f"gateway.server={server}", f"gateway.node_secret_file={secret}", "tls.enabled=false", "log.requests=false",
            "gateway.threads=1", f"revocation.bound={BOUND_MS}ms", *(f"{name}=127.0.0.1:0" for name in LISTENERS),
        ]
        command = [binary, "gateway", "--data-dir", str(directory)]
        command += [word for setting in settings for word in ("--set", setting)]
        self.server = Server("node", command, READY, directory / "node.log")
        self.gateway = json.loads((directory / "run.json").read_text())["gateway_http"]

    def wait(self, sides: Sides, call: Path) -> None:
        """Until a call is admitted: the node has its snapshot then."""
        deadline = time.monotonic() + NODE_START_SECONDS
        while True:
            figures, _ = Paced(
                sides.filled.binaries, self.gateway, call, 1, "--once", "--connections", "1",
            ).result()
            if figures["requests"] and not figures["non_2xx"]:
                return
            if time.monotonic() > deadline:
                raise Failure(f"the node admitted nothing within {NODE_START_SECONDS} s.\n{self.server.log_tail()}")


def run(results: Results, sides: Sides, count: int, partitions: int) -> None:
    """Revokes `count` tokens while all is well, and then one in each of `partitions` partitions."""
    with ExitStack() as stack:
        relay = Relay(sides.filled.latchkey.url)
        stack.callback(relay.close)
        node = Node(sides, relay.url)
        stack.callback(node.server.stop)
        good = write_requests(sides.settings.directory / "good.requests", [bearer(sides.hot[0])])
        node.wait(sides, good)
        revocation.note(results, PREFIX, revocation.revoke(sides, count, node.gateway, "--pause-ms", "1"))
        chance = random.Random(SEED)
        for number in range(1, partitions + 1):
            print(f"partition {number} of {partitions} …", flush=True)
            partition(results, sides, (relay, node), chance.uniform(0, REVOKED_WITHIN))


def partition(results: Results, sides: Sides, parties: tuple[Relay, Node], until_revoked: float) -> None:
    """Cuts the network, revokes, waits for longer than the bound, heals; notes what the node did."""
    relay, node = parties
    holders, tokens = sides.filled.fresh(sides.filled.who.opaque, 1, f"cut{time.monotonic_ns()}")
    directory = sides.settings.directory
    ending = write_requests(directory / "ending.requests", [bearer(tokens[0])])
    node.wait(sides, ending)
    seconds = BEFORE + until_revoked + BOUND_MS / 1000 + AFTER_BOUND + AFTERWARDS
    probes = {name: probe(sides, node, file, seconds) for name, file in
              (("ending", ending), ("good", directory / "good.requests"))}
    time.sleep(BEFORE)
    relay.cut()
    time.sleep(until_revoked)
    sides.filled.revoke(holders, tokens)
    revoked = time.monotonic_ns()
    time.sleep(BOUND_MS / 1000 + AFTER_BOUND)
    relay.heal()
    healed = time.monotonic_ns()
    answers = {name: traced(generator, directory / f"{name}.trace") for name, generator in probes.items()}
    note(results, answers, revoked, healed)


def probe(sides: Sides, node: Node, file: Path, seconds: float) -> Generator:
    """Calls with one token while things happen."""
    trace = sides.settings.directory / f"{file.stem}.trace"
    trace.unlink(missing_ok=True)
    return Paced(
        sides.filled.binaries, node.gateway, file, seconds, "--rate", str(PROBES_A_SECOND), "--connections", "16",
        "--trace", str(trace),
    )


def traced(generator: Generator, trace: Path) -> list[tuple[int, int]]:
    """When each call was sent, in nanoseconds of the monotonic clock, and its status."""
    generator.result()
    return [tuple(map(int, line.split())) for line in trace.read_text().splitlines()]


def note(results: Results, answers: dict[str, list[tuple[int, int]]], revoked: int, healed: int) -> None:
    ending, good = answers["ending"], answers["good"]
    admitted = [sent for sent, status in ending if status == ADMITTED]
    if not any(sent < revoked for sent in admitted):
        raise Failure("the node admitted no call before the token was revoked")
    results.note(f"{PARTITION}.last_admitted_ms", (max(admitted) - revoked) / 1e6)
    late = [sent for sent in admitted if sent > revoked + BOUND_MS * 1_000_000]
    results.note(f"{PARTITION}.admitted_past_bound", len(late))
    # Without a lease nobody passes, so the end of the partition shows with a token that is still valid.
    recovered = [sent for sent, status in good if status == ADMITTED and sent > healed]
    if not recovered:
        raise Failure("the node admitted nothing after the partition had ended")
    results.note(f"{PARTITION}.recovered_ms", (min(recovered) - healed) / 1e6)
