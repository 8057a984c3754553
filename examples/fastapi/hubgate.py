"""What any Python application needs to stand behind hubgate: tokens, signatures and REST, without packages but httpx."""

import base64
import hashlib
import hmac
import json
import time
from urllib.parse import quote

import httpx


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


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

    def is_genuine(self, headers) -> bool:
        """Whether the gateway sent a webhook with these headers."""
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
