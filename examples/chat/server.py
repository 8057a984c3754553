"""A chat server behind hubgate with Python's standard library only: it signs
tokens for clients, handles their messages as webhooks and sends through the
REST API.

    npm install && python3 server.py
    hubgate --upstream 'http://localhost:7071/hook/{category}/{event}'
"""
import base64, hashlib, hmac, json, os, pathlib, time, urllib.parse, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HUB = "chat"
HERE = pathlib.Path(__file__).parent
SETTINGS = dict(
    (name.lower(), value) for name, _, value in (part.partition("=") for part in os.environ.get(
        "HUBGATE_CONNECTION_STRING",
        "Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;",
    ).split(";") if part))
KEY = SETTINGS["accesskey"].encode()
ENDPOINT = SETTINGS["endpoint"].rstrip("/") + (":" + SETTINGS["port"] if "port" in SETTINGS else "")
# In a container the gateway has one name for this server and another one for browsers.
CLIENT_ENDPOINT = SETTINGS.get("clientendpoint", ENDPOINT).rstrip("/")


def sign(**claims):
    """A JSON Web Token: for clients the audience is their URL, for REST the request's."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")
    claims.setdefault("exp", int(time.time()) + 3600)
    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (body + b"." + part(hmac.digest(KEY, body, "sha256"))).decode()


def verify(headers):
    """Only the gateway can sign the connection id with the access key. With two keys there are two signatures."""
    connection = headers.get("X-ASRS-Connection-Id", "").encode()
    want = b"sha256=" + hmac.new(KEY, connection, hashlib.sha256).hexdigest().encode()
    signatures = headers.get("X-ASRS-Signature", "").lower().encode().split(b",")
    return any(hmac.compare_digest(want, have) for have in signatures)


def user_of(headers):
    """Who the client is. Python reads headers as Latin-1, the gateway writes UTF-8."""
    return headers.get("X-ASRS-User-Id", "somebody").encode("latin-1").decode()


def broadcast(target, *arguments):
    """Sends to every client of the hub."""
    url = f"{ENDPOINT}/api/hubs/{HUB}/:send?api-version=2022-06-01"
    urllib.request.urlopen(urllib.request.Request(
        url, method="POST", data=json.dumps({"target": target, "arguments": arguments}).encode(),
        headers={"Authorization": "Bearer " + sign(aud=url), "Content-Type": "application/json"}))


# What the gateway reports, by category/event.
EVENTS = {
    "connections/connected": lambda user: broadcast("note", f"{user} has joined"),
    "connections/disconnected": lambda user: broadcast("note", f"{user} has left"),
    "messages/say": lambda user, text: broadcast("message", user, str(text)[:1000]),
    "messages/whoami": lambda user: user,
}

FILES = {
    "/": ("public/index.html", "text/html; charset=utf-8"),
    "/signalr.min.js": ("node_modules/@microsoft/signalr/dist/browser/signalr.min.js", "text/javascript"),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name, kind = FILES.get(urllib.parse.urlsplit(self.path).path, (None, None))
        self.answer(200, (HERE / name).read_bytes(), kind) if name else self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/chat/negotiate":
            # An example believes everybody; an application puts the user here who is signed in.
            user = urllib.parse.parse_qs(url.query).get("user", ["somebody"])[0]
            client = f"{CLIENT_ENDPOINT}/client/?hub={HUB}"
            token = sign(**{"aud": client, "asrs.s.uid": user})
            self.answer(200, json.dumps({"url": client, "accessToken": token}).encode())
        elif url.path.startswith("/hook/"):
            self.hook(urllib.parse.unquote(url.path.removeprefix("/hook/")), body)
        else:
            self.answer(404)

    def hook(self, name, body):
        if not verify(self.headers):
            return self.answer(401)
        if name not in EVENTS:
            return self.answer(404)
        record = json.loads(body)
        try:
            result = EVENTS[name](user_of(self.headers), *record.get("arguments", []))
        except Exception as error:
            print(f"{name}: {error!r}", flush=True)
            return self.answer(500)
        if "invocationId" not in record:
            return self.answer(200)
        # The answer to an invoke is a completion, ended by the record separator.
        completion = {"type": 3, "invocationId": record["invocationId"], "result": result}
        self.answer(200, json.dumps(completion).encode() + b"\x1e")

    def answer(self, status, body=b"", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(os.environ.get("PORT", 7071))
    server = ThreadingHTTPServer((os.environ.get("HOST", "localhost"), port), Handler)
    print(f"chat: http://localhost:{port}/?user=ann", flush=True)
    server.serve_forever()
