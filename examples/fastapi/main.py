"""A FastAPI application behind hubgate: negotiate, webhooks whose signature it checks, and groups.

pip install -r requirements.txt
uvicorn main:app --port 7071
hubgate --upstream 'http://localhost:7071/hook/{category}/{event}'
"""

import os
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response

from hubgate import Hub, Refused

hub = Hub("chat", os.environ.get(
    "HUBGATE_CONNECTION_STRING",
    "Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"))
app = FastAPI()


def signed_in(user: str | None = None) -> str:
    """Who is signed in: here whoever the query names. Put your session or token check in its place."""
    if not user:
        raise HTTPException(401, "Who are you?")
    return user


@app.post("/chat/negotiate")
def negotiate(user: Annotated[str, Depends(signed_in)]) -> dict:
    return hub.negotiate(user)


@dataclass
class Call:
    """What a client did."""

    user: str
    connection: str
    arguments: list
    invocation: str | None

    def answer(self, result: Any = None) -> Any:
        """The answer to the webhook: the result of an invoke, or nothing."""
        if self.invocation is None:
            return Response(status_code=204)
        return {"type": 3, "invocationId": self.invocation, "result": result}


async def webhook(request: Request) -> Call:
    """The call of a request that comes from the gateway. Others are refused."""
    path = request.scope["raw_path"].decode() + ("?" + request.url.query if request.url.query else "")
    try:
        hub.check(request.headers, request.method, path, await request.body())
    except Refused:
        raise HTTPException(401)
    body = await request.json()
    # The gateway writes UTF-8. The framework reads headers as Latin-1.
    user = request.headers.get("x-asrs-user-id", "").encode("latin-1").decode()
    return Call(user, request.headers["x-asrs-connection-id"], body.get("arguments") or [], body.get("invocationId"))


FromGateway = Annotated[Call, Depends(webhook)]


@app.post("/hook/connections/connected")
async def connected(call: FromGateway):
    await hub.join("lobby", call.connection)
    return call.answer()


@app.post("/hook/connections/disconnected")
async def disconnected(call: FromGateway):
    await hub.send_to_group("lobby", "left", call.user)
    return call.answer()


@app.post("/hook/messages/join")
async def join(call: FromGateway):
    group, = call.arguments
    await hub.join(group, call.connection)
    await hub.send_to_group(group, "joined", call.user, group)
    return call.answer(group)


@app.post("/hook/messages/say")
async def say(call: FromGateway):
    group, text = call.arguments
    await hub.send_to_group(group, "message", call.user, text)
    return call.answer()
