"""The arithmetic of `./bench gateway`."""

import dataclasses
import socket
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from driver import report, rounds
from driver.failure import Failure
from driver.gateway import goals, remote, side_by_side
from driver.gateway.relay import Relay
from driver.load import LoadPlan, Paced, Sample, sample
from driver.process import Server
from driver.rounds import Results
from driver.variant import Variant

GOOD = Sample(
    requests=1000, seconds=2.0, p50_ms=1.0, p99_ms=3.0, max_ms=9.0, non_2xx=0, broken=0, server_cpu_seconds=0.02,
    client_cpu_seconds=0.01, foreign_cpu_share=0.0, written_bytes=0, resident_mb=20.0,
)
CONNECTIONS = 64


def costing(microseconds: float, **more) -> Sample:
    return dataclasses.replace(GOOD, server_cpu_seconds=microseconds * GOOD.requests / 1e6, **more)


def of(**samples: Sample) -> Results:
    return Results(
        titles={name.replace("__", "."): name for name in samples},
        samples={(name.replace("__", "."), CONNECTIONS): [one] for name, one in samples.items()},
    )


def beside(**ratios: float) -> Results:
    """Results in which variants cost so much more CPU than nginx beside them."""
    names = {"hot": "gateway.opaque.hot", "open": "gateway.open", "asking": "nginx.auth_request"}
    results = Results()
    for short, ratio in ratios.items():
        results.note(f"over_nginx.{names[short]}.cpu", ratio)
    return results


def verdicts(results: Results) -> dict[str, str]:
    return {goal.title: goal.verdict for goal in goals(results)}


class Goals(unittest.TestCase):
    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        self.assertEqual(set(verdicts(Results()).values()), {"not measured"})

    def test_calls_are_compared_with_nginx_beside_them(self):
        title = "call, few opaque tokens, CPU over nginx's plain proxying"
        for ratio, verdict in ((0.9, "met, aim too"), (1.2, "met"), (1.21, "MISSED")):
            self.assertEqual(verdicts(beside(hot=ratio))[title], verdict, ratio)

    def test_the_check_of_a_token_is_what_an_open_resource_spares(self):
        title = "check of the token, share of a call's CPU"
        for without, verdict in ((0.91, "met"), (0.85, "MISSED")):
            self.assertEqual(verdicts(beside(hot=1.0, open=without))[title], verdict, without)

    def test_asking_costs_the_asking_nginx_and_the_server_that_it_asks(self):
        title = "call with an opaque token, CPU over nginx with auth_request"
        results = beside(hot=1.0, asking=2.0)
        results.samples["nginx.plain", CONNECTIONS] = [costing(20)]
        self.assertEqual(verdicts(results)[title], "not measured")
        for introspecting, verdict in ((30, "met"), (20, "MISSED")):
            results.figures["nginx.auth_request.introspection_cpu_us"] = [introspecting]
            self.assertEqual(verdicts(results)[title], verdict, introspecting)

    def test_no_call_may_be_admitted_after_a_revocation(self):
        title = "calls admitted after a revocation had been answered"
        for late, verdict in ((0, "met"), (1, "MISSED")):
            results = Results()
            results.note("revocation.admitted_late", late)
            self.assertEqual(verdicts(results)[title], verdict)


class Noise(unittest.TestCase):
    def take(self, helpers: tuple, shares: list[float]) -> Results:
        results, plan = Results(), LoadPlan("http://127.0.0.1:1", Path("none"), (), helpers)
        samples = [dataclasses.replace(GOOD, foreign_cpu_share=share) for share in shares]
        with mock.patch.object(rounds, "measure", side_effect=samples):
            rounds.take(results, Variant("x", "x", None, plan, (CONNECTIONS,)), CONNECTIONS, 1)
        return results

    def test_a_disturbed_sample_is_taken_again(self):
        results = self.take((object(),), [0.5, 0.01])
        self.assertEqual([one.foreign_cpu_share for one in results.samples["x", CONNECTIONS]], [0.01])
        self.assertEqual(results.voided, ["x at 64: others took 50% of the cores"])

    def test_where_all_are_disturbed_the_last_counts_and_is_reported(self):
        results = self.take((object(),), [0.5, 0.4, 0.3])
        self.assertEqual([one.foreign_cpu_share for one in results.samples["x", CONNECTIONS]], [0.3])
        self.assertTrue(results.voided[-1].endswith("counted all the same"))

    def test_a_run_that_does_not_know_its_servers_keeps_what_it_has(self):
        self.assertEqual(self.take((), [0.5]).voided, [])

    def test_shares_of_a_core_are_shown(self):
        self.assertIn("1%", report.cores(of(nginx__plain=GOOD)))


class Generators(unittest.TestCase):
    def test_a_generator_is_named_when_it_fails(self):
        with tempfile.TemporaryDirectory() as directory:
            program = Path(directory, "paced")
            program.write_text("#!/bin/sh\necho broken; exit 3\n")
            program.chmod(0o700)
            server = Server("idle", ["sh", "-c", "echo ready; exec tail -f /dev/null"], "ready", Path(directory, "log"))
            try:
                with self.assertRaisesRegex(Exception, "paced failed with 3:\nbroken"):
                    sample(server, (), lambda: Paced(Path(directory), "http://127.0.0.1:1", Path("none"), 1))
            finally:
                server.stop()


class Report(unittest.TestCase):
    def test_a_limit_of_none_can_be_shown(self):
        results = Results()
        results.note("revocation.admitted_late", 0)
        shown = next(line for line in report.verdicts(goals(results)).splitlines() if line.startswith("calls admitted"))
        self.assertEqual(shown.split()[-4:], ["≤", "0.00", "0.00", "met"])


class Rounds(unittest.TestCase):
    def test_nginx_is_measured_right_before_and_right_after_a_variant(self):
        costs = {"nginx.plain": iter((10, 30, 50)), "first": iter((40,)), "second": iter((40,))}
        sides = SimpleNamespace(
            settings=SimpleNamespace(rounds=1, seconds=1), gateway=SimpleNamespace(usage=lambda: None),
            filled=SimpleNamespace(latchkey=SimpleNamespace(family_cache=lambda: None)),
            variants=[Variant(name, name, None, None) for name in ("first", "second")],
        )

        def take(results: Results, one: Variant, connections: int, _: float) -> None:
            results.samples.setdefault((one.name, connections), []).append(costing(next(costs[one.name])))

        results = Results()
        with mock.patch.multiple(side_by_side, take=take, warm_up=lambda *_: None, print=lambda *_, **__: None, create=True):
            side_by_side.take_rounds(results, sides, Variant("nginx.plain", "nginx", None, None))
        self.assertEqual(results.figures["over_nginx.first.cpu"], [2.0])
        self.assertEqual(results.figures["over_nginx.second.cpu"], [1.0])


class Partitions(unittest.TestCase):
    REVOKED, HEALED = 10 * 10**9, 14 * 10**9

    def noted(self, ending: list[tuple[float, int]], good: list[tuple[float, int]]) -> Results:
        def at(answers: list[tuple[float, int]]) -> list[tuple[int, int]]:
            return [(int(second * 1e9), status) for second, status in answers]

        results = Results()
        remote.note(results, {"ending": at(ending), "good": at(good)}, self.REVOKED, self.HEALED)
        return results

    def test_what_counts_is_the_last_call_that_was_admitted(self):
        good, title = [(9, 200), (13, 503), (14.5, 200)], "last call admitted after a revocation in a partition"
        for last, verdict in ((11.9, "met"), (12.1, "MISSED")):
            results = self.noted([(9, 200), (last, 200), (12.2, 503), (15, 401)], good)
            self.assertEqual(verdicts(results)[title], verdict)
            self.assertEqual(results.figures["partition.admitted_past_bound"], [int(last > 12)])
            self.assertEqual(results.figures["partition.recovered_ms"], [500.0])

    def test_a_node_that_was_down_all_the_time_proves_nothing(self):
        with self.assertRaises(Failure):
            self.noted([(9, 503)], [(14.5, 200)])
        with self.assertRaises(Failure):
            self.noted([(9, 200)], [(14.5, 503)])


class Relays(unittest.TestCase):
    def test_nothing_passes_a_cut_and_all_of_it_afterwards(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            relay = Relay(f"http://127.0.0.1:{server.getsockname()[1]}")
            address = ("127.0.0.1", int(relay.url.rpartition(":")[2]))
            with socket.create_connection(address, timeout=5) as caller:
                accepted, _ = server.accept()
                with accepted:
                    caller.sendall(b"a")
                    self.assertEqual(accepted.recv(9), b"a")
                    relay.cut()
                    caller.sendall(b"b")
                    accepted.settimeout(0.2)
                    self.assertRaises(TimeoutError, accepted.recv, 9)
                    relay.heal()
                    accepted.settimeout(5)
                    self.assertEqual(accepted.recv(9), b"b")
            relay.close()
