"""What a call costs, one variant after the other, in rounds."""

import random

from ..failure import Failure
from ..load import LoadPlan, Paced, Request, Sample, sample, write_requests
from ..process import Server
from ..rounds import Results, take, warm_up
from ..variant import Settings, Variant
from . import nginx
from .filled import API, Filled, bearer
from .goals import CONNECTIONS, over_nginx

# HTTP/2: as many requests under way, over few connections.
HTTP2 = ("--http2", "--connections", "4", "--streams", str(CONNECTIONS // 4))
HOT_TOKENS = 400
PLAIN, ASKING = "nginx.plain", "nginx.auth_request"
HOT, SPREAD, JWT, OPEN = "gateway.opaque.hot", "gateway.opaque.spread", "gateway.jwt", "gateway.open"
GARBAGE, REVOKED, OVER_LIMIT = "gateway.garbage", "gateway.revoked", "gateway.over_limit"
NGINX_HTTP2, GATEWAY_HTTP2 = "nginx.http2", "gateway.http2"
# CPU of the token server for each call that the asking nginx forwards.
INTROSPECTING = "nginx.auth_request.introspection_cpu_us"
# The family cache, while tokens from all over the store are used.
HIT_RATE, CACHED = "cache.spread.hit_rate", "cache.spread.families"
TOKEN_PREFIX = "lka_"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
UNAUTHORIZED, TOO_MANY = 401, 429


class Sides:
    """The servers, and what is sent to which."""

    def __init__(self, filled: Filled, yardstick: nginx.Nginx, upstream: Server, settings: Settings):
        self.filled, self.nginx, self.upstream, self.settings = filled, yardstick, upstream, settings
        self.hot = filled.spread(HOT_TOKENS)
        self.variants: list[Variant] = []

    @property
    def gateway(self) -> Server:
        return self.filled.latchkey.server

    def calls(self, name: str, title: str, requests: list[Request], expect: int | None = None) -> Variant:
        """Calls at the gateway; `expect` is the status, where it is a refusal."""
        options = (f"expect={expect}",) if expect else ()
        return self._variant(name, title, self.gateway, self.filled.latchkey.gateway, requests, options)

    def proxied(self, name: str, title: str, url: str) -> Variant:
        """The calls with hot tokens, through nginx."""
        return self._variant(name, title, self.nginx.server, url, [bearer(token) for token in self.hot])

    def _variant(
        self, name: str, title: str, server: Server, url: str, requests: list[Request], options: tuple[str, ...] = (),
    ) -> Variant:
        file = write_requests(self.settings.directory / f"{name}.requests", requests)
        plan = LoadPlan(url, file, options, tuple({self.upstream, self.gateway} - {server}))
        return Variant(name, title, server, plan, (CONNECTIONS,))


def of_opaque(sides: Sides, spread: list[str]) -> list[Variant]:
    return [
        sides.calls(HOT, "Latchkey, opaque token, few tokens", [bearer(token) for token in sides.hot]),
        sides.calls(SPREAD, "Latchkey, opaque, tokens of all", [bearer(token) for token in spread]),
        sides.calls(OPEN, "Latchkey, resource without a token", [Request("GET", f"{API}/open")]),
    ]


def of_jwt(sides: Sides) -> list[Variant]:
    _, tokens = sides.filled.fresh(sides.filled.who.jwt, HOT_TOKENS, "jwt")
    return [sides.calls(JWT, "Latchkey, JWT", [bearer(token) for token in tokens])]


def of_refusals(sides: Sides) -> list[Variant]:
    filled = sides.filled
    holders, ended = filled.fresh(filled.who.opaque, HOT_TOKENS, "revoked")
    filled.revoke(holders, ended)
    chance = random.Random(len(ended))
    garbage = [TOKEN_PREFIX + "".join(chance.choices(ALPHABET, k=len(ended[0]) - len(TOKEN_PREFIX))) for _ in ended]
    _, counted = filled.fresh(filled.who.over_limit, 1, "counted")
    requests = {name: [bearer(token) for token in tokens] for name, tokens in
                ((GARBAGE, garbage), (REVOKED, ended), (OVER_LIMIT, counted))}
    use_up(sides, requests[OVER_LIMIT])
    return [
        sides.calls(GARBAGE, "Latchkey, garbage refused", requests[GARBAGE], UNAUTHORIZED),
        sides.calls(REVOKED, "Latchkey, revoked token refused", requests[REVOKED], UNAUTHORIZED),
        sides.calls(OVER_LIMIT, "Latchkey, call over its limit refused", requests[OVER_LIMIT], TOO_MANY),
    ]


def use_up(sides: Sides, calls: list[Request]) -> None:
    """The one call that the tier has."""
    file = write_requests(sides.settings.directory / "use-up.requests", calls)
    gateway = sides.filled.latchkey.gateway
    figures, _ = Paced(sides.filled.binaries, gateway, file, 1, "--once", "--connections", "1").result()
    if figures["non_2xx"] or figures["broken"]:
        raise Failure(f"the first call of a tier with one call was not admitted: {figures}")


def take_rounds(results: Results, sides: Sides, plain: Variant) -> None:
    """Every variant once a round, with a sample of `plain` right before and right after it: how fast a virtual
    machine is changes from one second to the next."""
    print("warming up …", flush=True)
    warm_up([plain, *sides.variants], 1)
    for number in range(1, sides.settings.rounds + 1):
        print(f"round {number} of {sides.settings.rounds} …", flush=True)
        before = taken(results, sides, plain)
        # Odd rounds go backwards, so that nobody always follows the same neighbour.
        for one in sides.variants if number % 2 else reversed(sides.variants):
            between = taken(results, sides, one)
            after = taken(results, sides, plain)
            if before and between and after:
                results.note(over_nginx(one.name, "cpu"), 2 * between.cpu_us / (before.cpu_us + after.cpu_us))
                results.note(
                    over_nginx(one.name, "rate"), 2 * between.per_second / (before.per_second + after.per_second)
                )
            before = after


def taken(results: Results, sides: Sides, one: Variant) -> Sample | None:
    """A sample of `one`, if it gives any."""
    observed(results, sides, one)
    return None if one.name in results.failed else results.samples[(one.name, CONNECTIONS)][-1]


def observed(results: Results, sides: Sides, one: Variant) -> None:
    """A sample, and what only Latchkey itself knows about it."""
    used, cache = sides.gateway.usage(), sides.filled.latchkey.family_cache()
    take(results, one, CONNECTIONS, sides.settings.seconds)
    if one.name in results.failed:
        return
    if one.name == ASKING:
        introspecting = (sides.gateway.usage() - used).cpu_seconds
        results.note(INTROSPECTING, introspecting * 1e6 / results.samples[(ASKING, CONNECTIONS)][-1].requests)
    if one.name == SPREAD:
        now = sides.filled.latchkey.family_cache()
        hits, misses = now.hits - cache.hits, now.misses - cache.misses
        results.note(HIT_RATE, hits / (hits + misses))
        results.note(CACHED, now.families)


def take_http2(results: Results, sides: Sides) -> None:
    """The same calls over HTTP/2 with prior knowledge, through both."""
    titles = {NGINX_HTTP2: "nginx, plain proxying, HTTP/2", GATEWAY_HTTP2: "Latchkey, opaque token, HTTP/2"}
    for _ in range(sides.settings.rounds):
        for name, server, url in (
            (NGINX_HTTP2, sides.nginx.server, sides.nginx.http2),
            (GATEWAY_HTTP2, sides.gateway, sides.filled.latchkey.gateway),
        ):
            taken = sample(server, (sides.upstream,), lambda: Paced(
                sides.filled.binaries, url, sides.settings.directory / f"{HOT}.requests", sides.settings.seconds, *HTTP2,
            ))
            if taken.is_void:
                results.failed[name] = f"{taken.non_2xx} refused, {taken.broken} broken of {taken.requests}"
                continue
            results.titles[name] = titles[name]
            results.samples.setdefault((name, CONNECTIONS), []).append(taken)
