"""What both kinds of hubs have: connection strings, tokens and the requests that calls make."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict
from urllib.parse import parse_qs, quote, urlsplit

_NO = {"warning.connection.notexisted", "warning.user.notexisted", "warning.group.notexisted", "info.user.notingroup"}

# Claims of the token. Those of a user with such a name have a prefix, which the gateway takes away.
_RESERVED = {"aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce"}

VERSION, NEWEST = "2022-06-01", "2024-12-01"  # of what was not there before


class StatusError(Exception):
    """An answer that is neither success nor "no". The code is that of the header x-ms-error-code."""

    def __init__(self, status: int, text: str, retry_after: str | None, code: str | None = None):
        super().__init__(f"the gateway answered {status}: {text}")
        self.status, self.text, self.retry_after, self.code = status, text, retry_after, code

    @property
    def is_no(self) -> bool:
        """Whether the gateway says that something is not there. Any other 404 is of something that does not know the path."""
        return self.status == 404 and (self.code or "").lower() in _NO


class Negotiated(TypedDict):
    """What a negotiate endpoint answers as JSON."""

    url: str
    accessToken: str


class Member(NamedTuple):
    """A connection in a group; the user id is "" for nobody."""

    connection_id: str
    user_id: str


@dataclass(frozen=True)
class ConnectionString:
    """Where the gateway is, and its key, which is not shown. Requests go to the server endpoint, clients to theirs; the audience of their
    tokens is the endpoint."""

    endpoint: str
    server_endpoint: str
    client_endpoint: str
    key: str = field(repr=False)

    @staticmethod
    def parse(text: str) -> ConnectionString:
        """Reads "Endpoint=…;AccessKey=…;", with Port, ClientEndpoint and ServerEndpoint if need be. Errors do not repeat the text."""
        if not text:
            raise ValueError("there is no connection string")
        pairs = (part.partition("=") for part in text.split(";") if part.strip())
        parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
        endpoint = _endpoint(parts.get("endpoint", ""), parts.get("port"))
        if not parts.get("accesskey"):
            raise ValueError("the connection string has no AccessKey")
        servers, clients = (
            _endpoint(parts[name], None) if parts.get(name) else endpoint for name in ("serverendpoint", "clientendpoint")
        )
        return ConnectionString(endpoint, servers, clients, parts["accesskey"])


def _endpoint(text: str, port: str | None) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("an endpoint of the connection string is not an http:// or https:// URL")
    host = url.netloc
    if port is not None:
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError("the Port of the connection string is not a number")
        host = f"[{url.hostname}]:{port}" if ":" in url.hostname else f"{url.hostname}:{port}"
    return f"{url.scheme}://{host}{url.path}".rstrip("/")


def escape(text: str) -> str:
    """Percent-encodes all but letters, digits and -._~"""
    return quote(text, safe="")


@dataclass(frozen=True)
class Request:
    """One request of a hub. The path is that below the hub."""

    method: str
    path: str
    version: str = VERSION
    query: Mapping[str, str | None] = field(default_factory=dict)
    body: object = None


def send(to: str, target: str, arguments: tuple[Any, ...]) -> Request:
    return Request("POST", to + "/:send", body={"target": target, "arguments": arguments})


def page(group: str, token: str | None) -> Request:
    return Request("GET", f"/groups/{escape(group)}/connections", NEWEST, {"continuationToken": token})


def read_page(text: str) -> tuple[list[Member], str | None]:
    """The members of a page and the token of the next one. Of its link only the token counts: an answer does not say where a hub's
    token is sent to."""
    answer = json.loads(text)
    tokens = parse_qs(urlsplit(answer.get("nextLink") or "").query).get("continuationToken", [None])
    return [Member(one["connectionId"], one.get("userId") or "") for one in answer["value"]], tokens[0]


class BaseHub:
    """One hub of a gateway."""

    def __init__(self, name: str, connection_string: str, *, now: Callable[[], float] = time.time):
        if not name:
            raise ValueError("the hub has no name")
        self.name = name.lower()
        self._at, self._now = ConnectionString.parse(connection_string), now

    @property
    def keys(self) -> list[str]:
        """The access keys that webhooks are signed with."""
        return [self._at.key]

    def negotiate(self, user: str | None = None, *, claims: Mapping[str, Any] | None = None, lifetime: float = 3600) -> Negotiated:
        """Where a client connects to, and with which token: the answer of POST …/negotiate, for the user who is logged in there.

        Claims are seen by webhooks and hub servers; a list is several. The lifetime of the token is in seconds. A client stays
        connected after that.
        """
        path = f"/client/?hub={escape(self.name)}"
        own = {"asrs.s.uid": user} if user else {}
        named = {"asrs.u." + name if name in _RESERVED else name: value for name, value in (claims or {}).items()}
        return {"url": self._at.client_endpoint + path, "accessToken": self._token(self._at.endpoint + path, {**named, **own}, lifetime)}

    def _token(self, audience: str, claims: Mapping[str, Any], lifetime: float = 3600) -> str:
        now = int(self._now())
        parts = ({"alg": "HS256", "typ": "JWT"}, {**claims, "aud": audience, "iat": now, "exp": now + int(lifetime)})
        body = b".".join(_base64(json.dumps(part).encode()) for part in parts)
        return (body + b"." + _base64(hmac.digest(self._at.key.encode(), body, "sha256"))).decode()

    def _prepare(self, request: Request) -> dict[str, Any]:
        """The arguments of httpx's request."""
        if any(segment in (".", "..") for segment in request.path.split("/")):
            raise ValueError('"." and ".." cannot be an id in a URL')  # which takes them out of a path, however they are escaped
        audience = f"{self._at.server_endpoint}/api/hubs/{escape(self.name)}{request.path}"
        url = f"{audience}?api-version={request.version}"
        for name, value in request.query.items():
            if value:
                url += f"&{name}={escape(value)}"
        headers = {"Authorization": f"Bearer {self._token(audience, {})}"}
        content = None
        if request.body is not None:
            headers["Content-Type"], content = "application/json", json.dumps(request.body).encode()
        # The gateway waits for a client's result for as long as it is set to, half a minute unless told otherwise.
        patience = {"timeout": 60} if request.path.endswith("/:invoke") else {}
        return {"method": request.method, "url": url, "headers": headers, "content": content, **patience}


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
