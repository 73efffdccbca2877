"""A network between a node and its server that can fail: bytes stop, connections stay open."""

import selectors
import socket
import threading
from urllib.parse import urlsplit

CHUNK = 65_536


class Relay:
    """Passes connections on to `server`, a URL. After `cut` nothing passes in either direction, and new connections
    are taken and not answered, as in a network that loses everything; after `heal` what was held back goes on."""

    def __init__(self, server: str):
        parts = urlsplit(server)
        self._target = (parts.hostname, parts.port)
        self._passes = threading.Event()
        self._passes.set()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._passes.clear()

    def heal(self) -> None:
        self._passes.set()

    def close(self) -> None:
        # A socket that a thread waits for is woken by its shutdown, not by its closing.
        for one in [self._listener, *self._open]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster
        self._passes.set()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            self._keep(inner)
            threading.Thread(target=self._join, args=(inner,), daemon=True).start()

    def _keep(self, one: socket.socket) -> None:
        # What comes in small pieces goes on at once: a piece held back until the one before it is confirmed would
        # look like a slow server.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.append(one)

    def _join(self, inner: socket.socket) -> None:
        self._passes.wait()
        try:
            outer = socket.create_connection(self._target)
        except OSError:
            inner.close()
            return
        self._keep(outer)
        with inner, outer, selectors.DefaultSelector() as selector:
            selector.register(inner, selectors.EVENT_READ, outer)
            selector.register(outer, selectors.EVENT_READ, inner)
            while self._pass_on(selector):
                continue

    def _pass_on(self, selector: selectors.BaseSelector) -> bool:
        """What is there to read, once bytes may pass; false at the end of the connection."""
        for key, _ in selector.select():
            try:
                piece = key.fileobj.recv(CHUNK)
                self._passes.wait()
                key.data.sendall(piece)
            except OSError:
                return False
            if not piece:
                return False
        return True
