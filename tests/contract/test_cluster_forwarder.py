import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.cluster import forwarder

HALF_CLOSED = b"end of request"


@asynccontextmanager
async def forwarding_to(port: int) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        own_port = int(listener.getsockname()[1])
        args = [sys.executable, "-I", forwarder.__file__, str(descriptor), "127.0.0.1", str(port)]
        process = await asyncio.create_subprocess_exec(*args, pass_fds=[descriptor])
        yield own_port
        process.terminate()
        await process.wait()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """Serve an answer to whoever has finished sending."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read() + answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_half_closed_connection_gets_its_answer() -> None:
    async with answering(b": answer") as port, forwarding_to(port) as through:
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        writer.write(HALF_CLOSED)
        writer.write_eof()
        assert await reader.read() == HALF_CLOSED + b": answer"
        writer.close()
        await writer.wait_closed()


async def test_much_passes_whole_both_ways() -> None:
    much = bytes(range(256)) * 20_000
    async with answering(much) as port, forwarding_to(port) as through:
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        writer.write(much)
        writer.write_eof()
        assert await reader.read() == much + much
        writer.close()
        await writer.wait_closed()


async def test_nobody_there_ends_the_connection() -> None:
    # Nothing listens on port 1.
    async with forwarding_to(1) as through:
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
