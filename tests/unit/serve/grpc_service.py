"""The gRPC methods in this process, called as Ray Serve calls them: real parser and control store, a fake router."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc

from serve.grpc_context import GrpcContext
from serve.grpc_methods import GrpcMethods
from serve.settings import Settings
from tests.unit.serve.http_service import HttpService


class FakeContext:
    """What Serve hands to a method beside the request."""

    def __init__(self, metadata: list[tuple[str, str]], peer: str) -> None:
        self.code = grpc.StatusCode.OK
        self.details = ""
        self.trailing: list[tuple[str, str]] = []
        self._metadata = metadata
        self._peer = peer

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self._metadata

    def peer(self) -> str:
        return self._peer

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None:
        self.trailing = metadata


class Refused(Exception):
    """The call ended with an error."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


class GrpcService(GrpcMethods):
    """One replica without Serve. `key` is sent as Bearer token."""

    def __init__(self, data_dir: Path, settings: Settings | None = None) -> None:
        self.http = HttpService(data_dir, settings)
        self.context = GrpcContext(self.http.services, None)
        self.key = ""
        self.last = FakeContext([], "")

    def call(
        self, method: str, request: Any, peer: str = "ipv4:127.0.0.1:40000", metadata: tuple[tuple[str, str], ...] = ()
    ) -> bytes:
        """The encoded reply. Raises Refused."""
        context = self._context(peer, metadata)

        async def unary() -> bytes:
            reply = await getattr(self, method)(request, grpc_context=context)
            return cast(bytes, reply.SerializeToString())

        reply = asyncio.run(unary())
        if context.code is not grpc.StatusCode.OK:
            raise Refused(context.code, context.details)
        return reply

    async def stream(self, method: str, request: Any) -> AsyncIterator[bytes]:
        """The encoded replies, until the caller has enough. Raises Refused."""
        context = self._context("ipv4:127.0.0.1:40000", ())
        async for reply in getattr(self, method)(request, grpc_context=context):
            yield reply.SerializeToString()
        if context.code is not grpc.StatusCode.OK:
            raise Refused(context.code, context.details)

    def _context(self, peer: str, metadata: tuple[tuple[str, str], ...]) -> FakeContext:
        sent = [("authorization", f"Bearer {self.key}")] if self.key else []
        self.last = FakeContext([*sent, *metadata], peer)
        return self.last
