"""The rival of the lookup benchmark: a bare grpc.aio server that answers Get with bytes that it holds ready.

No authentication, no look at a store, no metrics, no proxy in front: the most that one Python process can answer here.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import grpc

GET = "/onefold.v1.ProfileService/Get"
_START_TIMEOUT_S = 30.0


@contextmanager
def bare_server(replies: Mapping[bytes, bytes]) -> Iterator[str]:
    """Runs the server in a process of its own. `replies`: encoded request -> encoded reply. Yields its address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_main, args=(dict(replies), there), daemon=True)
    process.start()
    try:
        if not here.poll(_START_TIMEOUT_S):
            raise RuntimeError(f"the bare server did not start within {_START_TIMEOUT_S:g} s")
        yield f"127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _main(replies: dict[bytes, bytes], started: "Connection[int, None]") -> None:
    asyncio.run(_serve(replies, started))


async def _serve(replies: dict[bytes, bytes], started: "Connection[int, None]") -> None:
    async def get(request: bytes, context: Any) -> bytes:
        return replies[request]

    # Without serializers requests and replies are bytes.
    service, method = GET[1:].split("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(get)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    started.send(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await server.wait_for_termination()
