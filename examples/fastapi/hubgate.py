"""What any Python application needs to stand behind hubgate: tokens, signatures and REST, without packages but httpx."""

import base64
import hashlib
import hmac
import json
import re
import time
from urllib.parse import quote

import httpx


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Refused(Exception):
    """A webhook whose signature is not good: missing, malformed, mismatch or time."""


_TIME, _SUM = re.compile(r"-?[0-9]{1,18}"), re.compile(r"[0-9a-fA-F]{64}")


def verify(header: str | None, keys, method: str, path: str, body: bytes, tolerance: float = 300, now: float | None = None) -> str:
    """Checks X-Hubgate-Signature, which covers the whole request. The path is that of the request with its query, as it came.

    Returns the id of the event, which is the same in each attempt to deliver it, or raises Refused.
    """
    if not header:
        raise Refused("missing")
    if len(header.encode()) > 2048:
        raise Refused("malformed")
    fields = [field.partition("=") for field in header.split(",")]
    times, events, signatures = ([value for name, _, value in fields if name == wanted] for wanted in ("t", "id", "v1"))
    if len(times) != 1 or len(events) != 1 or not events[0] or not _TIME.fullmatch(times[0]) or not 1 <= len(signatures) <= 8:
        raise Refused("malformed")
    if not all(_SUM.fullmatch(one) for one in signatures):
        raise Refused("malformed")
    good = False
    for key in filter(None, keys):
        head = f"v1\n{times[0]}\n{events[0]}\n{method}\n{path}\n".encode()
        want = hmac.digest(key if isinstance(key, bytes) else key.encode(), head + body, "sha256")
        for one in signatures:
            good |= hmac.compare_digest(want, bytes.fromhex(one))
    if not good:
        raise Refused("mismatch")
    if abs((time.time() if now is None else now) - int(times[0])) > tolerance:
        raise Refused("time")
    return events[0]


class Hub:
    """A hub of the gateway that the connection string names. Its methods may be used by any number of requests at once."""

    def __init__(self, name: str, connection_string: str):
        parts = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        parts = {name.lower(): value for name, value in parts.items()}
        self.name, self.key = name, parts["accesskey"].encode()
        self.endpoint = parts["endpoint"].rstrip("/") + (":" + parts["port"] if "port" in parts else "")
        # Clients may reach the gateway by another name than this application.
        self.client_endpoint = parts.get("clientendpoint", self.endpoint).rstrip("/")
        self._http = httpx.AsyncClient()

    def token(self, audience: str, **claims) -> str:
        """A JSON web token for a URL of the gateway, good for an hour."""
        claims |= {"aud": audience, "exp": int(time.time()) + 3600}
        body = _part(b'{"alg":"HS256","typ":"JWT"}') + b"." + _part(json.dumps(claims).encode())
        return (body + b"." + _part(hmac.digest(self.key, body, "sha256"))).decode()

    def negotiate(self, user: str) -> dict:
        """The answer to a client that is this user."""
        url = f"{self.client_endpoint}/client/?hub={self.name}"
        return {"url": url, "accessToken": self.token(url, **{"asrs.s.uid": user})}

    def check(self, headers, method: str, path: str, body: bytes) -> str:
        """The id of the event of a webhook. Raises Refused unless the gateway sent this very request, and not long ago.

        The header of the connection is not signed, but the event is, and begins with it.
        """
        event = verify(headers.get("x-hubgate-signature"), [self.key], method, path, body)
        if not event.startswith(headers.get("x-asrs-connection-id", "") + "."):
            raise Refused("mismatch")
        return event

    def is_genuine(self, headers) -> bool:
        """Whether the gateway sent a webhook for this connection. It does not cover the body: use check where you can."""
        connection = headers.get("x-asrs-connection-id", "").encode()
        want = b"sha256=" + hmac.new(self.key, connection, hashlib.sha256).hexdigest().encode()
        signatures = headers.get("x-asrs-signature", "").lower().encode().split(b",")
        return any(hmac.compare_digest(want, have) for have in signatures)

    async def rest(self, method: str, path: str, body=None) -> None:
        """One REST request. The path is that below the hub, its names percent-encoded."""
        url = f"{self.endpoint}/api/hubs/{self.name}{path}"
        answer = await self._http.request(method, url, json=body, headers={"Authorization": f"Bearer {self.token(url)}"})
        answer.raise_for_status()

    async def send_to_all(self, target: str, *arguments) -> None:
        await self.rest("POST", "/:send", {"target": target, "arguments": arguments})

    async def send_to_group(self, group: str, target: str, *arguments) -> None:
        await self.rest("POST", f"/groups/{quote(group, safe='')}/:send", {"target": target, "arguments": arguments})

    async def send_to_user(self, user: str, target: str, *arguments) -> None:
        await self.rest("POST", f"/users/{quote(user, safe='')}/:send", {"target": target, "arguments": arguments})

    async def join(self, group: str, connection: str) -> None:
        await self.rest("PUT", f"/groups/{quote(group, safe='')}/connections/{connection}")

    async def leave(self, group: str, connection: str) -> None:
        await self.rest("DELETE", f"/groups/{quote(group, safe='')}/connections/{connection}")
