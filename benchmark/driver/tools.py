"""What a run needs on a fresh machine: wrk, the binaries of this workspace, the peer's packages."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from .failure import Failure

ROOT = Path(__file__).parents[2]
PEER = ROOT / "benchmark" / "oidc-provider"
OLDEST_NODE = 20


def run(command: list[str], cwd: Path = ROOT) -> str:
    """Standard output of a command; a `Failure` with what it said when it does not succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(command)}` failed with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def ensure(program: str, package: str) -> None:
    """Installs a program from the system's packages when it is missing."""
    if shutil.which(program) or Path(f"/usr/sbin/{program}").exists():
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Failure(f"{program} is missing. Install it (Debian: `apt-get install {package}`) and run ./bench again.")
    print(f"installing {package} …", flush=True)
    if subprocess.run(["apt-get", "install", "-y", "-q", package], capture_output=True).returncode != 0:
        run(["apt-get", "update", "-q"])
        run(["apt-get", "install", "-y", "-q", package])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; for programs that cannot take any free one themselves."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def ensure_peer() -> None:
    """Installs oidc-provider as its lock file says, once."""
    node = shutil.which("node")
    version = run([node, "--version"]).strip() if node else "none"
    if not node or int(version.lstrip("v").split(".")[0]) < OLDEST_NODE or not shutil.which("npm"):
        raise Failure(
            f"The peer needs Node {OLDEST_NODE} or newer with npm (found {version}); or leave it out: --without peer."
        )
    installed, wanted = PEER / "node_modules" / ".package-lock.json", PEER / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        print("installing oidc-provider …", flush=True)
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=PEER)


def build(*packages: str) -> Path:
    """Builds release binaries and returns their directory."""
    print(f"building {', '.join(packages)} …", flush=True)
    run(["cargo", "build", "--release", "--locked", *(word for name in packages for word in ("-p", name))])
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def revision() -> str:
    """The commit that is measured, with a mark when the tree differs from it."""
    return run(["git", "describe", "--always", "--dirty"]).strip()
