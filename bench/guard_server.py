"""One application on two ports, bare and behind the guard; runs in the Python that holds the engine's uvicorn.

``python guard_server.py BARE_FD GUARDED_FD`` serves on two sockets that are listening already. What it answers
costs nothing, so that what stands before it is seen.
"""

import asyncio
import json
import os
import socket
import sys
from typing import Any

import uvicorn

from genmodel_runtime.guard import Guard

CHUNK = b'data: {"id":"cmpl-1","object":"text_completion","choices":[{"index":0,"text":" word"}]}\n\n'
JSON_TYPE = [(b"content-type", b"application/json")]
STREAM_TYPE = [(b"content-type", b"text/event-stream; charset=utf-8")]


async def engine(scope: Any, receive: Any, send: Any) -> None:
    """Read a request as the engine does; answer at once, or with as many chunks as it asks for."""
    if scope["type"] != "http":
        return
    chunks = json.loads((await receive())["body"]).get("max_tokens", 0)
    await send({"type": "http.response.start", "status": 200, "headers": STREAM_TYPE if chunks else JSON_TYPE})
    for _ in range(chunks):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if chunks else b'{"choices": []}', "more_body": False})


async def serve(bare: int, guarded: int) -> None:
    """Serve until killed."""
    servers = []
    for app, descriptor in ((engine, bare), (Guard(engine, os.environ), guarded)):
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        servers.append(uvicorn.Server(config).serve(sockets=[socket.socket(fileno=descriptor)]))
    await asyncio.gather(*servers)


asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
