"""Changes of a large registry: keys that are generated, and how soon a block is in force at the gateway."""

import json
import statistics
import time

from ..http import Exchange
from ..load import Load, Request, sample, write_requests
from ..rounds import Results
from .filled import Filled
from .questions import CONNECTIONS, DEVPORTAL, PUBLISHER

KEYS, IN_FORCE = "registry.keys", "registry.in_force"
# Keys a second that no machine is expected to reach.
FASTEST = 4_000
BODY = json.dumps({"keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"]})


def generate(results: Results, filled: Filled) -> None:
    """Production keys, with their first token, for applications that have none; each is asked for once, unless this
    machine makes more than `FASTEST` a second, and then the sample is void."""
    requests = [
        Request("POST", f"{DEVPORTAL}/applications/{id}/generate-keys", filled.administrator, BODY)
        for id in filled.administrators
    ]
    file = write_requests(filled.settings.directory / "keys.requests", requests)
    seconds = max(1, len(requests) // FASTEST)
    taken = sample(filled.latchkey.server, (), lambda: Load(filled.latchkey.url, file, CONNECTIONS, seconds))
    if taken.is_void:
        results.failed[KEYS] = f"{taken.non_2xx} refused, {taken.broken} broken of {taken.requests}"
        return
    results.titles[KEYS] = "keys generated, with a token"
    results.samples[(KEYS, CONNECTIONS)] = [taken]


def block(results: Results, filled: Filled, times: int) -> None:
    """Blocks and opens the subscription of a caller whose token the gateway has at hand: how long from the sending of
    the request that blocks until a call is refused, and how many calls got through after its answer."""
    application, token = caller(filled)
    portal, gateway = Exchange(filled.latchkey.url), Exchange(filled.latchkey.gateway)
    id = portal.json("GET", f"{DEVPORTAL}/subscriptions?applicationId={application}", filled.alice)["list"][0]["subscriptionId"]

    def say(what: str) -> None:
        portal.json("POST", f"{PUBLISHER}/subscriptions/{what}&subscriptionId={id}", filled.administrator, "")

    def passes() -> bool:
        return gateway.status("GET", "/echo/1.0.0/anything", token) == 200

    late = 0
    for _ in range(times):
        if not passes():
            results.failed[IN_FORCE] = "the gateway refuses what is not blocked"
            return
        begun = time.perf_counter()
        say("block-subscription?blockState=BLOCKED")
        while passes():
            late += 1
        results.note(f"{IN_FORCE}.ms", (time.perf_counter() - begun) * 1000)
        say("unblock-subscription?")
    taken = sorted(results.figures[f"{IN_FORCE}.ms"])
    results.note(f"{IN_FORCE}.p99_ms", statistics.quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0])
    results.note(f"{IN_FORCE}.admitted_late", late)


def caller(filled: Filled) -> tuple[str, str]:
    """An application of alice that subscribes to the demo's API, and its first token."""
    portal = Exchange(filled.latchkey.url)
    made = json.dumps({"name": "In force", "throttlingPolicy": "Unlimited"})
    application = portal.json("POST", f"{DEVPORTAL}/applications", filled.alice, made)["applicationId"]
    api = portal.json("GET", f"{DEVPORTAL}/apis?query=context:/echo", filled.alice)["list"][0]["id"]
    wanted = json.dumps({"applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited"})
    portal.json("POST", f"{DEVPORTAL}/subscriptions", filled.alice, wanted)
    keys = portal.json("POST", f"{DEVPORTAL}/applications/{application}/generate-keys", filled.alice, BODY)
    return application, f"Bearer {keys['token']['accessToken']}"
