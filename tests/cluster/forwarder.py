"""Carry connections from a loopback port of the host to an address inside a cluster's network namespace.

Runs as a process of its own: its listening socket was opened on the host and is inherited, the process itself was
started inside the namespace, so that the connections it opens start there. It needs the standard library only:
`python forwarder.py DESCRIPTOR HOST PORT`.
"""

import asyncio
import contextlib
import socket
import sys

CHUNK_BYTES = 1 << 16
CONNECT_SECONDS = 10.0


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction, then end the other side's direction too."""
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, host: str, port: int) -> None:
    """Serve one connection; a peer that breaks off ends it."""
    with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.TimeoutError):
        opening = asyncio.open_connection(host, port)
        inner_reader, inner_writer = await asyncio.wait_for(opening, CONNECT_SECONDS)
        with contextlib.closing(inner_writer):
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))


async def serve(listener: socket.socket, *, host: str, port: int) -> None:
    """Serve the inherited socket until the process ends."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await carry(reader, writer, host=host, port=port)

    async with await asyncio.start_server(handle, sock=listener) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), host=sys.argv[2], port=int(sys.argv[3])))
