"""The arithmetic of the benchmark: `python3 -m unittest discover -t benchmark -s benchmark/tests`."""

import dataclasses
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from driver import machine, report
from driver.failure import Failure
from driver.goals import Goal, all_goals, cpu, rate
from driver.load import Request, Sample
from driver.process import Server
from driver.rounds import Results

GOOD = Sample(
    requests=1000, seconds=2.0, p50_ms=1.0, p99_ms=3.0, max_ms=9.0, non_2xx=0, broken=0, server_cpu_seconds=0.05,
    client_cpu_seconds=0.01, foreign_cpu_share=0.0, written_bytes=5_000_000, resident_mb=20.0,
)


def sample(cpu_us: float) -> Sample:
    return dataclasses.replace(GOOD, server_cpu_seconds=cpu_us * GOOD.requests / 1e6)


class Samples(unittest.TestCase):
    def test_figures_are_per_request_and_per_second(self):
        self.assertEqual((GOOD.per_second, GOOD.cpu_us, GOOD.written_per_request), (500.0, 50.0, 5000.0))

    def test_one_refused_or_broken_request_voids_the_round(self):
        self.assertFalse(GOOD.is_void)
        for change in ({"non_2xx": 1}, {"broken": 1}, {"requests": 0}):
            self.assertTrue(dataclasses.replace(GOOD, **change).is_void, change)

    def test_a_request_is_one_line_of_four_fields(self):
        self.assertEqual(Request("GET", "/").line(), "GET\t/\t-\t-")
        self.assertEqual(Request("POST", "/t", "Basic eA==", "a=b").line(), "POST\t/t\tBasic eA==\ta=b")


class Ratios(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_ratios_within_each_round(self):
        # The machine halves its speed in the third round: the ratio of medians would be 30/10.
        results = Results(samples={
            ("a", 32): [sample(20), sample(30), sample(40)],
            ("b", 32): [sample(10), sample(10), sample(20)],
        })
        self.assertEqual(results.ratio(("a", 32), ("b", 32), cpu), 2.0)
        self.assertIsNone(results.ratio(("a", 32), ("c", 32), cpu))

    def test_a_figure_is_the_median_over_the_rounds(self):
        results = Results()
        for value in (3, 1, 100):
            results.note("x", value)
        self.assertEqual(results.figure("x"), 3)


class Goals(unittest.TestCase):
    def test_verdicts(self):
        for goal, verdict in (
            (Goal("", 1 / 6, 1 / 7), "met"),
            (Goal("", 1 / 6, 1 / 5), "MISSED"),
            (Goal("", 1 / 6, 1 / 9, aim=1 / 8), "met, aim too"),
            (Goal("", 0.4, 0.5, True, 0.55), "met"),
            (Goal("", 0.4, 0.3, True, 0.55), "MISSED"),
            (Goal("", 0.4, None, True, 0.55), "not measured"),
        ):
            self.assertEqual(goal.verdict, verdict, goal)

    def test_ours_stands_above_the_line_and_the_peer_below(self):
        results = Results(samples={
            ("latchkey.issue.es256.sqlite", 32): [sample(50)],
            ("latchkey.issue.es256.memory", 32): [dataclasses.replace(sample(40), seconds=1.0)],
            ("peer.issue.es256", 32): [sample(400)],
            ("latchkey.introspect.opaque", 32): [sample(12)],
            ("bare.get", 32): [sample(8)],
        })
        measured = {goal.title: goal.measured for goal in all_goals(results) if goal.measured is not None}
        self.assertEqual(measured["ES256 issue, CPU against oidc-provider"], 50 / 400)
        self.assertEqual(measured["ES256 issue, rate with the store over without, 32 connections"], 0.5)
        self.assertEqual(measured["introspection, CPU over a bare hyper reply (GET), 32 connections"], 1.5)
        self.assertEqual(measured["written per ES256 issue, 32 connections"], 5.0)

    def test_the_report_shows_every_goal_and_small_ratios_as_fractions(self):
        goals = all_goals(Results())
        self.assertEqual(len(report.verdicts(goals).splitlines()), len(goals) + 1)
        self.assertEqual(report.fraction(1 / 8, ""), "1/8.0")
        self.assertEqual(report.fraction(0.5, ""), "0.50")
        self.assertEqual(report.fraction(0.2, "kB"), "0.20 kB")

    def test_rates_are_compared_as_rates(self):
        self.assertEqual(rate(GOOD), 500.0)


class Processes(unittest.TestCase):
    def server(self, program: str) -> Server:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        log = Path(directory.name) / "log"
        server = Server("child", [sys.executable, "-c", program], "ready", log)
        self.addCleanup(server.stop)
        return server

    def test_a_server_is_waited_for_and_its_figures_are_read(self):
        server = self.server("import signal; print('hello\\nready 1', flush=True); signal.pause()")
        self.assertEqual(server.ready_line, "ready 1")
        self.assertGreater(server.resident_mb(), 1)
        self.assertGreaterEqual(server.usage().cpu_seconds, 0)

    def test_a_server_that_ends_early_shows_its_log(self):
        with self.assertRaisesRegex(Failure, "no such key: color"):
            self.server("import sys; sys.exit('no such key: color')")

    def test_the_tree_includes_children_whatever_their_names(self):
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertIn(child.pid, machine.process_tree(os.getpid()))


if __name__ == "__main__":
    unittest.main()
