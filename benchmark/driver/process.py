"""A server under measurement: started, waited for, asked for its figures, ended."""

import os
import selectors
import signal
import subprocess
import time
from pathlib import Path

from . import machine
from .failure import Failure

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
LOG_TAIL_CHARACTERS = 2000


class Server:
    """One child process that prints a line when it is ready.

    `start_seconds` is the time from its start to that line, `ready_line` the line itself. Standard error
    goes to `log`, whose end is shown when the start fails.
    """

    def __init__(self, name: str, command: list[str], ready: str, log: Path, cwd: Path | None = None):
        self.name = name
        self.log = log
        started = time.monotonic()
        with log.open("ab") as errors:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=cwd,
                env={**os.environ, "NODE_ENV": "production"},
            )
        try:
            self.ready_line = self._wait_for(ready, started + START_TIMEOUT_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - started

    @property
    def pid(self) -> int:
        return self._child.pid

    def _wait_for(self, ready: str, deadline: float) -> str:
        output = self._child.stdout
        os.set_blocking(output.fileno(), False)
        text = b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(deadline - time.monotonic()):
                    break
                piece = output.read()
                if not piece:
                    raise Failure(f"{self.name} ended before it was ready.\n{self.log_tail()}")
                text += piece
                for line in text.decode(errors="replace").splitlines():
                    if line.startswith(ready):
                        return line
        raise Failure(f"{self.name} did not print `{ready}` within {START_TIMEOUT_SECONDS} s.\n{self.log_tail()}")

    def log_tail(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"The end of its log:\n{text[-LOG_TAIL_CHARACTERS:]}"

    def is_running(self) -> bool:
        return self._child.poll() is None

    def usage(self) -> machine.Usage:
        if not self.is_running():
            raise Failure(f"{self.name} ended with {self._child.returncode} during the run.\n{self.log_tail()}")
        return machine.usage(self.pid)

    def resident_mb(self) -> float:
        return machine.resident_mb(self.pid)

    def stop(self) -> None:
        """Asks with SIGTERM, waits, and kills what does not end."""
        if self.is_running():
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()
