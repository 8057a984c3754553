"""Webhooks: their signatures, and what answers them."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest, digest
from typing import Any
from urllib.parse import quote, unquote

try:
    import msgpack  # type: ignore[import-untyped]
except ImportError:  # only clients that speak MessagePack need it
    msgpack = None

from .signature import Refused, verify

_log = logging.getLogger("hubgate")


class ErrorForClient(Exception):
    """An error whose text the client gets: as the answer that it waits for, or as the reason why it is rejected, if the event is
    connected. Every other error is answered with 500, and the client hears nothing of it."""


@dataclass(frozen=True)
class Event:
    """What a webhook tells."""

    hub: str
    category: str
    """connections or messages"""
    name: str
    """connected, disconnected, or the method that the client calls"""
    connection_id: str
    user_id: str
    arguments: list[Any] = field(default_factory=list)
    """Those of a call. Binary values of a MessagePack client are bytes."""
    error: str | None = None
    """Why a client that has disconnected did so; None for an ordinary end."""
    id: str | None = None
    """The same in each attempt to deliver the event; None from Azure, which has no such thing."""


def is_genuine(keys: Iterable[str], connection_id: str, signature: str) -> bool:
    """Whether X-ASRS-Signature was made with one of the keys. It covers the connection id only."""
    signatures, good = [one.strip().lower().encode() for one in signature.split(",")], False
    for key in filter(None, keys):
        want = b"sha256=" + digest(key.encode(), connection_id.encode(), "sha256").hex().encode()
        for one in signatures:
            good |= compare_digest(want, one)
    return good


Answer = tuple[int, str, bytes]
_STATUS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 413: "Content Too Large", 415: "Unsupported Media Type", 500: "Internal Server Error"}
_TEXT, _JSON, _PACKED = "text/plain; charset=utf-8", "application/json", "application/x-msgpack"


@dataclass(frozen=True)
class _Call:
    """What the body of a webhook says."""

    invocation: str | None
    arguments: list[Any]
    error: str | None = None
    packed: bool = False

    def completion(self, result: object) -> Answer:
        if not self.invocation:
            return 200, _TEXT, b""
        if self.packed:
            return 200, _PACKED, msgpack.packb([3, {}, self.invocation, 3, result], datetime=True)
        return 200, _JSON, json.dumps({"type": 3, "invocationId": self.invocation, "result": result}).encode()

    def failure(self, event: Event, error: Exception) -> Answer:
        if self.invocation and isinstance(error, ErrorForClient):
            if self.packed:
                return 200, _PACKED, msgpack.packb([3, {}, self.invocation, 1, str(error)])
            return 200, _JSON, json.dumps({"type": 3, "invocationId": self.invocation, "error": str(error)}).encode()
        if isinstance(error, ErrorForClient) and (event.category, event.name) == ("connections", "connected"):
            return 403, _TEXT, str(error).encode()
        _log.error("a webhook failed", exc_info=error)
        return 500, _TEXT, b"the application failed"


def _read(kind: str, body: bytes) -> _Call | Answer:
    if kind == _JSON:
        try:
            record = json.loads(body)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            return 400, _TEXT, b"the body is not a JSON object"
        return _Call(record.get("invocationId"), record.get("arguments") or [], record.get("error"))
    if kind != _PACKED:
        return 415, _TEXT, b"only JSON and MessagePack are read here"
    if msgpack is None:
        return 415, _TEXT, b"MessagePack is read where the package msgpack is installed"
    try:  # what a part says of its length is bounded by the length of the body
        record = msgpack.unpackb(body, strict_map_key=False, timestamp=3)
    except (ValueError, TypeError, RecursionError):
        record = None
    # A record of a MessagePack client: type, headers, invocation id, target, arguments. 1 is a call, 4 one whose result is a stream.
    if not isinstance(record, list) or len(record) < 5 or record[0] not in (1, 4) or not isinstance(record[4], list):
        return 400, _TEXT, b"the body is not a MessagePack call"
    return _Call(record[2] if isinstance(record[2], str) else None, record[4], packed=True)


@dataclass(frozen=True)
class _Rules:
    keys: Sequence[str]
    whole_request: bool
    max_body: int

    def read(self, method: str, paths: Sequence[str], headers: Mapping[str, str], body: bytes) -> tuple[Event, _Call] | Answer:
        """The event and what its body says, or a refusal. The paths are those of which one was sent."""
        get = lambda name: headers.get(name, "")  # noqa: E731
        whole, connection, event_id = get("x-hubgate-signature"), get("x-asrs-connection-id"), None
        if not is_genuine(self.keys, connection, get("x-asrs-signature")):
            return 401, _TEXT, b"the signature is not good"
        if whole or self.whole_request:
            why: Refused | None = None
            for path in paths:
                try:
                    event_id = verify(whole, self.keys, method, path, body).id
                except Refused as refused:
                    why = refused
            if event_id is None:
                return 401, _TEXT, f"the signature is not good: {why}".encode()
            # The header of the connection is not signed there, but the event is, and begins with it.
            if not event_id.startswith(connection + "."):
                return 401, _TEXT, b"the signature is not good: it is of another connection"
        call = _read(get("content-type").partition(";")[0].strip(), body)
        if isinstance(call, tuple):
            return call
        names = (get(f"x-asrs-{name}") for name in ("hub", "category", "event", "connection-id"))
        user = get("x-asrs-user-id")
        if whole:  # the request is hubgate's, which percent-encodes what a header cannot carry
            user = unquote(user)
        return Event(*names, user, call.arguments, call.error, event_id), call


def wsgi(
    handle: Callable[[Event], Any], keys: Sequence[str], *, whole_request: bool = False, max_body: int = 1 << 20
) -> Callable[[dict[str, Any], Callable[..., Any]], list[bytes]]:
    """A WSGI application that answers webhooks. What handle returns is the result of a client that waits for one.

    whole_request refuses requests without X-Hubgate-Signature, which covers method, path, time, event, connection and body, but not the
    headers of user, hub, category and event. Without it Azure's signature, which covers the connection id only and is checked always, is
    enough where the other one is missing.
    """
    rules = _Rules(keys, whole_request, max_body)

    def answer(environ: dict[str, Any]) -> Answer:
        text = environ.get("CONTENT_LENGTH") or "0"
        # A negative one would read without a bound. More digits than these are no length, and slow to read.
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            return 400, _TEXT, b"the Content-Length is no number"
        length = int(text)
        if length > max_body:
            return 413, _TEXT, b"the body is too large"
        headers = {name[5:].replace("_", "-").lower(): _utf8(value) for name, value in environ.items() if name.startswith("HTTP_")}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        read = rules.read(environ["REQUEST_METHOD"], _targets(environ), headers, environ["wsgi.input"].read(length))
        if isinstance(read[0], int):
            return read  # type: ignore[return-value]
        event, call = read
        try:
            return call.completion(handle(event))  # type: ignore[union-attr, arg-type]
        except Exception as error:
            return call.failure(event, error)  # type: ignore[union-attr, arg-type]

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        status, kind, body = answer(environ)
        start_response(f"{status} {_STATUS[status]}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return application


def _targets(environ: Mapping[str, Any]) -> list[str]:
    """Path and query as they were sent, if the server tells; WSGI's own variables have the path decoded."""
    for name in ("RAW_URI", "REQUEST_URI"):
        if environ.get(name):
            return [str(environ[name])]
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    return _encoded(path, environ.get("QUERY_STRING", ""))


def _encoded(path: bytes, query: str) -> list[str]:
    """What a path that was decoded may have been: hubgate encodes all that it puts into a template, which may itself have more."""
    return [quote(path, safe=safe) + ("?" + query if query else "") for safe in ("/", "/:@!$&'()*+,;=")]


def _utf8(value: str) -> str:
    """Header values are UTF-8, which WSGI gives as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except ValueError:
        return value


def asgi(
    handle: Callable[[Event], Any], keys: Sequence[str], *, whole_request: bool = False, max_body: int = 1 << 20
) -> Callable[[dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]:
    """wsgi for ASGI. handle may be a coroutine function, and should be: it runs in the event loop."""
    rules = _Rules(keys, whole_request, max_body)

    async def answer(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]]) -> Answer:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
            if len(body) > max_body:
                return 413, _TEXT, b"the body is too large"
        headers = {name.decode().lower(): value.decode(errors="replace") for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        if scope.get("raw_path"):
            targets = [scope["raw_path"].decode("latin-1").partition("?")[0] + ("?" + query if query else "")]
        else:
            targets = _encoded(scope["path"].encode(), query)
        read = rules.read(scope["method"], targets, headers, body)
        if isinstance(read[0], int):
            return read  # type: ignore[return-value]
        event, call = read
        try:
            result = handle(event)  # type: ignore[arg-type]
            if inspect.isawaitable(result):
                result = await result
            return call.completion(result)  # type: ignore[union-attr]
        except Exception as error:
            return call.failure(event, error)  # type: ignore[union-attr, arg-type]

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("webhooks are HTTP requests")
        status, kind, body = await answer(scope, receive)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application
