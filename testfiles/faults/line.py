"""A line between a browser and a server, that may be cut, be slow, and lose answers."""

import socket
import threading
import time
from contextlib import suppress
from typing import Self

_RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER for 0 s: whoever is connected gets a reset
_PIECE_BYTES = 16 * 1024


class Line:
    """Forwards each TCP connection to a port of this machine."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """host: where it listens."""
        self.bytes_a_second = 0.0  # up, of each connection; 0: as fast as it goes
        self.loses_answers = False  # it breaks where the answer to an upload begins
        self._port = port
        self._is_cut, self._moves = False, threading.Event()
        self._moves.set()
        self._listener = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"
        self._ends = set[socket.socket]()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.thaw()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut(self) -> None:
        """All connections break, and no other one comes about."""
        self._is_cut = True
        for end in list(self._ends):
            _break(end)

    def mend(self) -> None:
        self._is_cut = False

    def freeze(self) -> None:
        """Nothing comes through any more, without a word."""
        self._moves.clear()

    def thaw(self) -> None:
        self._moves.set()

    def _accept(self) -> None:
        with suppress(OSError):  # shut down
            while True:
                thread = threading.Thread(target=self._serve, args=self._listener.accept()[:1])
                self._threads.append(thread)
                thread.start()

    def _serve(self, browser: socket.socket) -> None:
        with browser:
            try:
                if self._is_cut:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            with server:
                self._ends |= {browser, server}
                up = threading.Thread(target=self._copy, args=(browser, server, True))
                up.start()
                self._copy(server, browser, False)
                up.join()
                self._ends -= {browser, server}

    def _copy(self, source: socket.socket, target: socket.socket, is_up: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                self._moves.wait()
                if self.loses_answers and not is_up and piece.startswith(b"HTTP/1.1 202"):
                    break
                target.sendall(piece)
                if is_up and self.bytes_a_second:
                    time.sleep(len(piece) / self.bytes_a_second)
        for end in (source, target):
            _break(end)


def _break(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
