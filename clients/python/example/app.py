import json
import os
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

from hubgate import Hub, wsgi

hub = Hub("chat", os.environ["HUBGATE_CONNECTION_STRING"])


def handle(event):
    if event.name == "say":
        hub.send_to_all("said", event.user_id, event.arguments[0])
        return "sent"


hook = wsgi(handle, hub.keys)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/hook":
        return hook(environ, start_response)
    if environ["PATH_INFO"] != "/chat/negotiate":
        start_response("404 Not Found", [])
        return []
    user = parse_qs(environ["QUERY_STRING"])["user"][0]  # whoever is logged in
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(hub.negotiate(user)).encode()]


make_server("localhost", int(os.environ["PORT"]), app).serve_forever()
