"""Hubs: one that waits, and one for asyncio. Both have the same methods."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from ._requests import NEWEST, BaseHub, Member, Request, StatusError, escape, page, read_page, send


class Hub(BaseHub):
    """One hub of a gateway. Its methods may be called by several threads. Close it, or use it as a context."""

    def __init__(
        self, name: str, connection_string: str, *, client: httpx.Client | None = None, now: Callable[[], float] = time.time
    ):
        super().__init__(name, connection_string, now=now)
        self._client = client or httpx.Client()

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_to_all(self, target: str, *arguments: Any) -> None:
        """Calls a method of every client. It ends when the gateway has taken it: who receives it it does not say."""
        self._call(send("", target, arguments))

    def send_to_user(self, user: str, target: str, *arguments: Any) -> None:
        """Calls a method of all clients of a user."""
        self._call(send(f"/users/{escape(user)}", target, arguments))

    def send_to_group(self, group: str, target: str, *arguments: Any) -> None:
        """Calls a method of all clients in a group."""
        self._call(send(f"/groups/{escape(group)}", target, arguments))

    def send_to_connection(self, connection_id: str, target: str, *arguments: Any) -> None:
        """Calls a method of one client."""
        self._call(send(f"/connections/{escape(connection_id)}", target, arguments))

    def invoke(self, connection_id: str, target: str, *arguments: Any) -> Any:
        """Calls a method of one client and returns its result. It waits for a minute at most."""
        body = {"target": target, "arguments": arguments}
        answer = self._call(Request("POST", f"/connections/{escape(connection_id)}/:invoke", NEWEST, body=body))
        return json.loads(answer).get("result")

    def add_to_group(self, connection_id: str, group: str) -> None:
        self._call(Request("PUT", f"/groups/{escape(group)}/connections/{escape(connection_id)}"))

    def remove_from_group(self, connection_id: str, group: str) -> None:
        self._call(Request("DELETE", f"/groups/{escape(group)}/connections/{escape(connection_id)}"))

    def add_user_to_group(self, user: str, group: str) -> None:
        """Adds a user: all clients that the user has and will have."""
        self._call(Request("PUT", f"/users/{escape(user)}/groups/{escape(group)}"))

    def remove_user_from_group(self, user: str, group: str) -> None:
        self._call(Request("DELETE", f"/users/{escape(user)}/groups/{escape(group)}"))

    def close_connection(self, connection_id: str, reason: str | None = None) -> None:
        """Closes a connection. The client is told the reason, if there is one."""
        self._call(Request("DELETE", f"/connections/{escape(connection_id)}", query={"reason": reason}))

    def close_user(self, user: str, reason: str | None = None) -> None:
        self._call(Request("POST", f"/users/{escape(user)}/:closeConnections", query={"reason": reason}))

    def close_group(self, group: str, reason: str | None = None) -> None:
        self._call(Request("POST", f"/groups/{escape(group)}/:closeConnections", query={"reason": reason}))

    def connection_exists(self, connection_id: str) -> bool:
        return self._is(f"/connections/{escape(connection_id)}")

    def user_exists(self, user: str) -> bool:
        return self._is(f"/users/{escape(user)}")

    def group_exists(self, group: str) -> bool:
        return self._is(f"/groups/{escape(group)}")

    def user_in_group(self, user: str, group: str) -> bool:
        return self._is(f"/users/{escape(user)}/groups/{escape(group)}")

    def list_group(self, group: str) -> Iterator[Member]:
        """The connections in a group, page by page."""
        token = None
        while True:
            members, token = read_page(self._call(page(group, token)))
            for member in members:
                yield member
            if not token:
                return

    def _is(self, path: str) -> bool:
        try:
            self._call(Request("HEAD", path))
        except StatusError as error:
            if error.is_no:
                return False
            raise
        return True

    def _call(self, request: Request) -> str:
        answer = self._client.request(**self._prepare(request))
        if not answer.is_success:
            raise StatusError(answer.status_code, answer.text, answer.headers.get("retry-after"), answer.headers.get("x-ms-error-code"))
        return answer.text


class AsyncHub(BaseHub):
    """One hub of a gateway, for asyncio. Its methods may be called by several tasks. Close it, or use it as a context."""

    def __init__(
        self, name: str, connection_string: str, *, client: httpx.AsyncClient | None = None, now: Callable[[], float] = time.time
    ):
        super().__init__(name, connection_string, now=now)
        self._client = client or httpx.AsyncClient()

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> AsyncHub:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send_to_all(self, target: str, *arguments: Any) -> None:
        """Calls a method of every client. It ends when the gateway has taken it: who receives it it does not say."""
        await self._call(send("", target, arguments))

    async def send_to_user(self, user: str, target: str, *arguments: Any) -> None:
        """Calls a method of all clients of a user."""
        await self._call(send(f"/users/{escape(user)}", target, arguments))

    async def send_to_group(self, group: str, target: str, *arguments: Any) -> None:
        """Calls a method of all clients in a group."""
        await self._call(send(f"/groups/{escape(group)}", target, arguments))

    async def send_to_connection(self, connection_id: str, target: str, *arguments: Any) -> None:
        """Calls a method of one client."""
        await self._call(send(f"/connections/{escape(connection_id)}", target, arguments))

    async def invoke(self, connection_id: str, target: str, *arguments: Any) -> Any:
        """Calls a method of one client and returns its result. It waits for a minute at most."""
        body = {"target": target, "arguments": arguments}
        answer = await self._call(Request("POST", f"/connections/{escape(connection_id)}/:invoke", NEWEST, body=body))
        return json.loads(answer).get("result")

    async def add_to_group(self, connection_id: str, group: str) -> None:
        await self._call(Request("PUT", f"/groups/{escape(group)}/connections/{escape(connection_id)}"))

    async def remove_from_group(self, connection_id: str, group: str) -> None:
        await self._call(Request("DELETE", f"/groups/{escape(group)}/connections/{escape(connection_id)}"))

    async def add_user_to_group(self, user: str, group: str) -> None:
        """Adds a user: all clients that the user has and will have."""
        await self._call(Request("PUT", f"/users/{escape(user)}/groups/{escape(group)}"))

    async def remove_user_from_group(self, user: str, group: str) -> None:
        await self._call(Request("DELETE", f"/users/{escape(user)}/groups/{escape(group)}"))

    async def close_connection(self, connection_id: str, reason: str | None = None) -> None:
        """Closes a connection. The client is told the reason, if there is one."""
        await self._call(Request("DELETE", f"/connections/{escape(connection_id)}", query={"reason": reason}))

    async def close_user(self, user: str, reason: str | None = None) -> None:
        await self._call(Request("POST", f"/users/{escape(user)}/:closeConnections", query={"reason": reason}))

    async def close_group(self, group: str, reason: str | None = None) -> None:
        await self._call(Request("POST", f"/groups/{escape(group)}/:closeConnections", query={"reason": reason}))

    async def connection_exists(self, connection_id: str) -> bool:
        return await self._is(f"/connections/{escape(connection_id)}")

    async def user_exists(self, user: str) -> bool:
        return await self._is(f"/users/{escape(user)}")

    async def group_exists(self, group: str) -> bool:
        return await self._is(f"/groups/{escape(group)}")

    async def user_in_group(self, user: str, group: str) -> bool:
        return await self._is(f"/users/{escape(user)}/groups/{escape(group)}")

    async def list_group(self, group: str) -> AsyncIterator[Member]:
        """The connections in a group, page by page."""
        token = None
        while True:
            members, token = read_page(await self._call(page(group, token)))
            for member in members:
                yield member
            if not token:
                return

    async def _is(self, path: str) -> bool:
        try:
            await self._call(Request("HEAD", path))
        except StatusError as error:
            if error.is_no:
                return False
            raise
        return True

    async def _call(self, request: Request) -> str:
        answer = await self._client.request(**self._prepare(request))
        if not answer.is_success:
            raise StatusError(answer.status_code, answer.text, answer.headers.get("retry-after"), answer.headers.get("x-ms-error-code"))
        return answer.text
