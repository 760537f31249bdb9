"""Signals that ask the process to end, heard at once whatever its main thread does.

Python runs a handler in the main thread, between two of its instructions. A main thread that waits
in a lock is woken only where the kernel happened to give it the signal, not another thread; else
the signal is forgotten until the wait is over, which for a pod means a drain that never begins. The
byte that Python writes to a wake-up socket comes from the thread that the kernel chose.
"""

import signal
import socket
import threading
from collections.abc import Callable


def on_end_signals(callback: Callable[[], None]) -> None:
    """Call ``callback`` from a thread for each SIGTERM and SIGINT from now on; main thread only."""
    heard, written = socket.socketpair()
    written.settimeout(0)
    signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def listen() -> None:
        # Held here: a closed end would lose the next signal.
        with heard, written:
            while heard.recv(1):
                callback()

    threading.Thread(target=listen, name="signals", daemon=True).start()
