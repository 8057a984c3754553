"""Negotiate, REST and webhooks for applications behind hubgate or Azure SignalR Service."""

from ._hub import AsyncHub, Hub
from ._requests import ConnectionString, Member, Negotiated, StatusError
from ._webhook import ErrorForClient, Event, asgi, is_genuine, wsgi
from .signature import Refused, verify

__all__ = [
    "AsyncHub", "ConnectionString", "ErrorForClient", "Event", "Hub", "Member", "Negotiated", "Refused", "StatusError", "asgi", "is_genuine",
    "verify", "wsgi",
]
