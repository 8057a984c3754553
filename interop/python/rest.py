"""The REST API, version 2022-06-01, called without an SDK."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import urllib.parse
import urllib.request


def token(key: str, audience: str, **claims: str) -> str:
    """Signs a token for an audience, with further claims, valid for an hour."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b'=').decode()

    claims = {**claims, 'aud': audience, 'exp': int(time.time()) + 3600}
    text = part(b'{"alg":"HS256","typ":"JWT"}') + '.' + part(json.dumps(claims).encode())
    return text + '.' + part(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


class Rest:
    def __init__(self, endpoint: str, key: str) -> None:
        self.endpoint = endpoint
        self.key = key

    async def call(self, method: str, path: str, body: dict | None = None, **query: str) -> int:
        """Returns the status; statuses of 400 and more raise."""
        return await asyncio.to_thread(self._call, method, path, body, query)

    def _call(self, method: str, path: str, body: dict | None, query: dict[str, str]) -> int:
        url = self.endpoint + '/api' + path
        data = None if body is None else json.dumps(body).encode()
        headers = {'Authorization': f'Bearer {token(self.key, url)}', 'Content-Type': 'application/json'}
        query = {'api-version': '2022-06-01', **query}
        request = urllib.request.Request(f'{url}?{urllib.parse.urlencode(query)}', data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status

    async def send(self, hub: str, where: str, *arguments: object) -> None:
        await self.call('POST', f'/hubs/{hub}{where}/:send', {'target': 'news', 'arguments': list(arguments)})
