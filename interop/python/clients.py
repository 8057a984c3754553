"""The pysignalr client against a gateway: prints a line for each case, exits 1 if one failed.

HUBGATE_ENDPOINT, HUBGATE_ADMIN, HUBGATE_KEY and APP_URL (hub URLs are APP_URL/open/HUB[/USER]) say where things are.
"""

import asyncio
import contextlib
import os
import sys
import urllib.parse
import urllib.request

from pysignalr.client import SignalRClient
from pysignalr.exceptions import ServerError
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

from rest import Rest, token
from sluice import Sluice

ENDPOINT = os.environ['HUBGATE_ENDPOINT']
KEY = os.environ['HUBGATE_KEY']
APP = os.environ['APP_URL']
ADMIN = os.environ['HUBGATE_ADMIN']
REST = Rest(ENDPOINT, KEY)
PATIENCE = 60
UNICODE = 'Grüße, Ελληνικά, 日本語, 🚀'


class Session:
    """One running client: what `news` brought it, and how it ended."""

    def __init__(self, client: SignalRClient) -> None:
        self.client = client
        self.news: asyncio.Queue[list] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.closed = 0
        self.errors: asyncio.Queue[str] = asyncio.Queue()
        client.on('news', self._on_news)
        client.on_open(self._on_open)
        client.on_close(self._on_close)
        client.on_error(self._on_error)

    async def _on_news(self, arguments: list) -> None:
        self.news.put_nowait(arguments)

    async def _on_open(self) -> None:
        self.opened.set()

    async def _on_close(self) -> None:
        self.closed += 1

    async def _on_error(self, message: object) -> None:
        self.errors.put_nowait(message.error)

    async def invoke(self, method: str, *arguments: object) -> object:
        """Waits for the completion; its error is raised."""
        done: asyncio.Future = asyncio.get_running_loop().create_future()

        async def completed(message: object) -> None:
            done.set_result(message)

        await self.client.send(method, list(arguments), completed)
        message = await asyncio.wait_for(done, PATIENCE)
        if message.error:
            raise RuntimeError(message.error)
        return message.result

    async def next_news(self) -> list:
        return await asyncio.wait_for(self.news.get(), PATIENCE)


@contextlib.asynccontextmanager
async def running(client: SignalRClient):
    session = Session(client)
    session.task = asyncio.create_task(client.run())
    try:
        opened = asyncio.create_task(session.opened.wait())
        await asyncio.wait({opened, session.task}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            opened.cancel()
            raise RuntimeError(f'not open: {session.task}')
        yield session
    finally:
        session.task.cancel()
        await asyncio.gather(session.task, return_exceptions=True)


def through_app(hub: str, protocol: object, user: str = 'anna') -> SignalRClient:
    """Redirected by the application; pysignalr then opens the WebSocket without a further negotiate."""
    return SignalRClient(f'{APP}/open/{hub}/{user}', protocol=protocol)


def direct(hub: str, protocol: object, endpoint: str = ENDPOINT) -> SignalRClient:
    """Negotiates version 0 at the gateway itself."""
    url = f'{endpoint}/client/?hub={hub}'
    return SignalRClient(url, protocol=protocol, headers={'Authorization': f'Bearer {token(KEY, url)}'})


def equal(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f'got {actual!r:.200} instead of {expected!r:.200}')


async def invokes(hub: str, protocol: object) -> None:
    async with running(through_app(hub, protocol)) as session:
        value = [UNICODE, 1, -5, 2.5, None, {'b': [True]}]
        equal(await session.invoke('Echo', value), value)
        equal(await session.invoke('Void'), None)
        try:
            await session.invoke('Fail')
        except RuntimeError as error:
            equal('no luck' in str(error), True)
        else:
            raise AssertionError('no error')
        for number in range(200):
            await session.client.send('Note', [number])
            if number % 50 == 49:
                await session.invoke('Void')
        equal(await session.invoke('Tally'), list(range(200)))


async def receives(hub: str, protocol: object) -> None:
    async with running(through_app(hub, protocol)) as session:
        await REST.send(hub, '', UNICODE, 1, 300, 1.5, None, [{'a': -1}])
        await REST.send(hub, '/users/anna', 'user')
        await REST.call('PUT', f'/hubs/{hub}/users/anna/groups/g')
        await REST.send(hub, '/groups/g', 'group')
        first = await session.next_news()
        equal(repr(first), repr([UNICODE, 1, 300, 1.5, None, [{'a': -1}]]))  # 1 and 1.0 are equal, but not here
        equal(await session.next_news(), ['user'])
        equal(await session.next_news(), ['group'])


async def negotiates_itself(hub: str, protocol: object) -> None:
    async with running(direct(hub, protocol)) as session:
        equal(await session.invoke('Echo', 'direct'), 'direct')
        await REST.send(hub, '', 'found')
        equal(await session.next_news(), ['found'])


async def is_closed(hub: str, protocol: object) -> None:
    async with running(through_app(hub, protocol)) as session:
        await REST.call('POST', f'/hubs/{hub}/:closeConnections', reason='go away')
        try:
            await asyncio.wait_for(asyncio.shield(session.task), PATIENCE)
        except ServerError as error:
            equal('go away' in str(error), True)
        else:
            raise AssertionError('not told the reason')


def queued_bytes(hub: str) -> int:
    """What waits in the gateway for the clients of a hub, by its metrics."""
    with urllib.request.urlopen(f'{ADMIN}/metrics', timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith('hubgate_queued_bytes{') and f'hub="{hub}"' in line:
                return int(float(line.split()[-1]))
    raise AssertionError('no such metric')


async def survives_a_backlog(hub: str, protocol: object) -> None:
    """The client closes over 1 MiB in one message; more than that waits for it while it does not read."""
    where = urllib.parse.urlsplit(ENDPOINT)
    filler = 'x' * 400_000
    text = 'y' * (8 << 10)
    hub = hub.lower()
    async with Sluice(where.hostname, where.port) as sluice:
        async with running(direct(hub, protocol, f'http://127.0.0.1:{sluice.port}')) as session:
            equal(await session.invoke('Echo', 1), 1)
            sluice.close()
            fillers = 0
            while await asyncio.to_thread(queued_bytes, hub) == 0:  # until the kernel's buffers are full
                await REST.send(hub, '', fillers, filler)
                fillers += 1
            for number in range(200):
                await REST.send(hub, '', number, text)
            equal(await asyncio.to_thread(queued_bytes, hub) > 200 * len(text), True)
            sluice.open()
            for number in range(fillers):
                equal(await session.next_news(), [number, filler])
            for number in range(200):
                equal(await session.next_news(), [number, text])
            equal(session.closed, 0)


async def main() -> int:
    failed = 0
    for protocol in (JSONProtocol, MessagepackProtocol):
        for number, (name, case) in enumerate(
            {
                'C23 C82 R69 R75 redirected by the application: invoke and send through a webhook, in order': invokes,
                'R22 R24 receive from REST': receives,
                'C03 negotiates version 0 itself': negotiates_itself,
                'closed by REST with a reason': is_closed,
                'D16 200 waiting messages of 8 KB': survives_a_backlog,
            }.items()
        ):
            title = f'python {protocol.__name__}: {name}'
            try:
                await asyncio.wait_for(case(f'python{number}{protocol.__name__}', protocol()), 180)
                print(f'ok {title}', flush=True)
            except Exception as error:
                failed += 1
                print(f'FAIL {title}: {type(error).__name__} {error}'.replace('\n', ' '), flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(asyncio.run(main()))
