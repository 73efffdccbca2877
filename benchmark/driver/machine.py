"""What the operating system knows about a process tree and about the machine (Linux `/proc`)."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Counters of a process tree since its start; the difference of two is what a round used."""

    cpu_seconds: float
    written_bytes: int

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(self.cpu_seconds - earlier.cpu_seconds, self.written_bytes - earlier.written_bytes)


def stat_fields(pid: int) -> list[str]:
    """Fields of `/proc/PID/stat` from the state on: the name before may hold blanks and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def process_tree(root: int) -> list[int]:
    """`root` and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            children.setdefault(int(stat_fields(int(entry))[1]), []).append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
    tree, todo = [], [root]
    while todo:
        pid = todo.pop()
        tree.append(pid)
        todo += children.get(pid, [])
    return tree


def usage(root: int) -> Usage:
    """CPU (user and system) and bytes sent to the storage layer by the tree under `root`."""
    ticks = written = 0
    for pid in process_tree(root):
        fields = stat_fields(pid)
        ticks += int(fields[11]) + int(fields[12])
        written += keyed_figures(f"/proc/{pid}/io")["write_bytes"]
    return Usage(ticks / TICKS_PER_SECOND, written)


def keyed_figures(path: str) -> dict[str, int]:
    """`name: number …` lines of a `/proc` file."""
    figures = {}
    for line in Path(path).read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            figures[name] = int(words[0])
    return figures


def resident_mb(root: int) -> float:
    """Resident memory of the tree in megabytes (10^6 bytes)."""
    total_kib = sum(keyed_figures(f"/proc/{pid}/status").get("VmRSS", 0) for pid in process_tree(root))
    return total_kib * 1024 / 1e6


def busy_seconds() -> float:
    """CPU seconds that all cores together spent on work, stolen time included, since the start."""
    user, nice, system, _idle, _wait, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / TICKS_PER_SECOND


def description() -> dict[str, object]:
    """The machine that a result belongs to."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        "unknown",
    )
    return {
        "cpu": cpu,
        "cores": cores(),
        "memory_gb": round(keyed_figures("/proc/meminfo")["MemTotal"] * 1024 / 1e9, 1),
        "kernel": os.uname().release,
        "load_average_at_start": os.getloadavg()[0],
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def pin(root: int, to: frozenset[int]) -> None:
    """Keeps every thread of the tree under `root`, and those that they start, on these cores."""
    for pid in process_tree(root):
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                os.sched_setaffinity(int(thread), to)
            except ProcessLookupError:
                continue  # ended while we looked


def halves() -> tuple[frozenset[int], frozenset[int]]:
    """The cores in two halves, for what is measured and for what measures it; one core is both."""
    every = sorted(os.sched_getaffinity(0))
    middle = len(every) // 2
    return frozenset(every[middle:]), frozenset(every[:middle] or every)
