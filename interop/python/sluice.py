"""A TCP proxy that stops reading from the server until it is opened, with little room for what the server sends."""

import asyncio
import contextlib
import socket


class Sluice:
    """`async with Sluice(host, port) as sluice`: clients connect to sluice.port."""

    ROOM = 16 << 10

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._gate = asyncio.Event()
        self._gate.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> 'Sluice':
        self._server = await asyncio.start_server(self._serve, '127.0.0.1', 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    def close(self) -> None:
        self._gate.clear()

    def open(self) -> None:
        self._gate.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await self._join(reader, writer)
        writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.ROOM)
        server.setblocking(False)
        loop = asyncio.get_running_loop()
        with server:
            await loop.sock_connect(server, self._target)
            await asyncio.gather(self._up(reader, server), self._down(server, writer))

    async def _up(self, reader: asyncio.StreamReader, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(1 << 16):
            await loop.sock_sendall(server, data)
        server.shutdown(socket.SHUT_WR)

    async def _down(self, server: socket.socket, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._gate.wait()
            data = await loop.sock_recv(server, self.ROOM)
            if not data:
                break
            writer.write(data)
            await writer.drain()
