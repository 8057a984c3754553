import asyncio
import base64
import hmac
import io
import json
import os
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import msgpack

from hubgate import AsyncHub, ConnectionString, ErrorForClient, Hub, StatusError, asgi, wsgi

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "../../vectors/vectors.json").read_text())
KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"


def snake(name):
    return "".join("_" + one.lower() if one.isupper() else one for one in name)


def claims(token, key):
    body, _, signed = token.rpartition(".")
    decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))  # noqa: E731
    assert decode(signed) == hmac.digest(key.encode(), body.encode(), "sha256")
    return json.loads(decode(body.split(".")[1]))


class Vectors(unittest.TestCase):
    def test_connection_strings(self):
        for v in VECTORS["connectionStrings"]:
            with self.subTest(v["text"]):
                if v.get("error"):
                    self.assertRaises(ValueError, ConnectionString.parse, v["text"])
                else:
                    self.assertEqual(ConnectionString.parse(v["text"]), ConnectionString(v["endpoint"], v["serverEndpoint"], v["clientEndpoint"], v["key"]))
        self.assertNotIn("secret", repr(ConnectionString.parse("Endpoint=http://h;AccessKey=secret")))
        self.assertRaises(ValueError, Hub, "", "Endpoint=http://h;AccessKey=k")

    def test_negotiate(self):
        for v in VECTORS["negotiate"]:
            with self.subTest(v["name"]):
                hub = Hub(v["hub"], v["connectionString"], now=lambda: v["now"])
                answer = hub.negotiate(v["user"], claims=v.get("extra"), lifetime=v["lifetime"])
                self.assertEqual(answer["url"], v["url"])
                self.assertEqual(claims(answer["accessToken"], hub.keys[0]), v["claims"])

    def transport(self, seen, answer):
        def respond(request):
            target = request.url.raw_path.decode()
            self.assertEqual(claims(request.headers["Authorization"][7:], KEY)["aud"], "http://gateway.test" + target.split("?")[0])
            self.assertEqual(request.url.host, "gateway.test")
            seen.append((request.method, target, json.loads(request.content) if request.content else None))
            status, body, *code = answer(len(seen) - 1)
            headers = {"x-ms-error-code": code[0]} if code and code[0] else {}
            return httpx.Response(status, headers=headers, **({} if body is None else {"json": body}))

        return httpx.MockTransport(respond)

    def each(self, run):
        """run for both kinds of hubs; a coroutine is run to its end."""
        connection = f"Endpoint=http://elsewhere.test;ServerEndpoint=http://gateway.test;AccessKey={KEY}"

        def waiting(transport, call):
            with Hub("Chat", connection, client=httpx.Client(transport=transport)) as hub:
                return call(hub)

        def running(transport, call):
            async def main():
                async with AsyncHub("Chat", connection, client=httpx.AsyncClient(transport=transport)) as hub:
                    result = call(hub)
                    return [one async for one in result] if hasattr(result, "__aiter__") else await result

            return asyncio.run(main())

        for name, way in (("Hub", waiting), ("AsyncHub", running)):
            with self.subTest(name):
                run(way)

    def test_requests(self):
        def run(way):
            for v in VECTORS["requests"]:
                with self.subTest(v["call"]):
                    args, seen = v["args"], []
                    args = [*args[:-1], *args[-1]] if isinstance(args[-1], list) else args
                    transport = self.transport(seen, lambda _: (v["status"], v.get("answer"), v.get("code")))
                    call = lambda hub: getattr(hub, snake(v["call"]))(*args)  # noqa: E731
                    if "refused" in v:
                        self.assertRaises(ValueError, way, transport, call)
                        self.assertEqual(seen, [])
                        continue
                    if "error" in v:
                        with self.assertRaises(StatusError) as caught:
                            way(transport, call)
                        self.assertEqual(caught.exception.status, v["error"])
                    else:
                        self.assertEqual(way(transport, call), v.get("result"))
                    self.assertEqual(seen, [(v["method"], v["target"], v.get("body"))])

        self.each(run)

    def test_pages_of_a_group(self):
        def run(way):
            v, seen = VECTORS["list"], []
            got = way(self.transport(seen, lambda i: (200, v["pages"][i]["answer"])), lambda hub: hub.list_group(v["group"]))
            self.assertEqual([list(member) for member in got], v["result"])
            self.assertEqual([target for _, target, _ in seen], [page["target"] for page in v["pages"]])

        self.each(lambda way: run(lambda transport, call: way(transport, lambda hub: _list(call(hub)))))

    def test_webhooks(self):
        for way in (by_wsgi, by_asgi):
            for v in VECTORS["webhooks"] + VECTORS["messagePack"]:
                with self.subTest(way=way.__name__, name=v["name"]):
                    seen = []

                    def handle(event):
                        seen.append(event)
                        if v.get("fails"):
                            raise ErrorForClient(v["fails"])
                        return v.get("returns")

                    sent = base64.b64decode(v["bodyBase64"]) if "bodyBase64" in v else v["body"].encode()
                    status, body = way(handle, ["other", KEY], v["headers"], sent)
                    self.assertEqual(status, v["status"], body)
                    if "seen" not in v:
                        self.assertEqual(seen, [])
                        continue
                    event = seen[0]
                    got = {
                        "hub": event.hub, "category": event.category, "event": event.name, "connectionId": event.connection_id,
                        "userId": event.user_id, "arguments": event.arguments, **({"error": event.error} if event.error else {}),
                    }
                    self.assertEqual(got, v["seen"])
                    if "answerText" in v:
                        self.assertEqual(body.decode(), v["answerText"])
                    elif "answerMsgpack" in v:
                        self.assertEqual(msgpack.unpackb(body), v["answerMsgpack"])
                    else:
                        self.assertEqual(json.loads(body) if body else None, v.get("answer"))

    def test_whole_request_and_failures(self):
        body, sent = b'{"type":10}', int(time.time())
        sum = hmac.digest(KEY.encode(), f"v1\n{sent}\nabc.1\nPOST\n/hook%2Fx?a=b\n".encode() + body, "sha256").hex()
        whole = {"X-Hubgate-Signature": f"t={sent},id=abc.1,v1={sum}", "X-ASRS-User-Id": "a%2541%09%C2%85 100% %zz+", "Content-Type": "application/json"}

        def of(connection, key=KEY):
            return {"X-ASRS-Connection-Id": connection, "X-ASRS-Signature": "sha256=" + hmac.digest(key.encode(), connection.encode(), "sha256").hex()}

        headers = {**whole, **of("abc")}

        def fails(_):
            raise RuntimeError("secret")

        for way in (by_wsgi, by_asgi):
            with self.subTest(way.__name__):
                seen = []
                self.assertEqual(way(seen.append, [KEY], headers, body, path="/hook%2Fx?a=b", whole_request=True)[0], 200)
                self.assertEqual((seen[0].id, seen[0].user_id), ("abc.1", "a%41\t\u0085 100% %zz+"))
                # It is the event of this connection, and of no other one.
                for connection in ({}, {"X-ASRS-Connection-Id": "abc"}, of("abc", "x"), of("abd"), of("ab")):
                    self.assertEqual(way(seen.append, [KEY], {**whole, **connection}, body, path="/hook%2Fx?a=b")[0], 401, connection)
                usual = VECTORS["webhooks"][0]
                self.assertEqual(way(seen.append, [KEY], usual["headers"], usual["body"].encode(), whole_request=True)[0], 401)
                self.assertEqual(way(seen.append, [KEY], headers, body, max_body=3)[0], 413)
                with self.assertLogs("hubgate"):
                    self.assertEqual(way(fails, [KEY], usual["headers"], usual["body"].encode()), (500, b"the application failed"))

    def test_servers_that_decode_the_path(self):
        body, sent = b'{"type":10}', int(time.time())
        for path in ("/hook/messages/chat%3Asay%21%20%C3%BC?a=%3A", "/hook:a/messages/say"):
            sum = hmac.digest(KEY.encode(), f"v1\n{sent}\nabc.1\nPOST\n{path}\n".encode() + body, "sha256").hex()
            first = {"X-ASRS-Connection-Id": "abc", "X-ASRS-Signature": "sha256=" + hmac.digest(KEY.encode(), b"abc", "sha256").hex()}
            headers = {**first, "X-Hubgate-Signature": f"t={sent},id=abc.1,v1={sum}", "Content-Type": "application/json"}
            decoded = unquote(path.partition("?")[0])
            wsgi_path = {"RAW_URI": "", "PATH_INFO": decoded.encode().decode("latin-1")}
            with self.subTest(path):
                self.assertEqual(by_wsgi(lambda _: None, [KEY], headers, body, path, wsgi_path)[0], 200)
                self.assertEqual(by_asgi(lambda _: None, [KEY], headers, body, path, {"raw_path": None, "path": decoded})[0], 200)

    def test_times_in_message_pack(self):
        usual, then = VECTORS["messagePack"][0], datetime(2030, 1, 31, 12, tzinfo=timezone.utc)
        for way in (by_wsgi, by_asgi):
            with self.subTest(way.__name__):
                status, body = way(lambda _: then, [KEY], usual["headers"], base64.b64decode(usual["bodyBase64"]))
                self.assertEqual(status, 200)
                self.assertEqual(msgpack.unpackb(body, timestamp=3)[4], then)

    def test_json_that_is_no_object(self):
        usual = VECTORS["webhooks"][0]
        for way in (by_wsgi, by_asgi):
            for body in (b"null", b"[]", b"1", b'"x"', b"{", b"[" * 200000):
                with self.subTest(way=way.__name__, body=body[:9]):
                    self.assertEqual(way(self.fail, [KEY], usual["headers"], body)[0], 400)

    def test_lengths_that_are_none(self):
        """Nothing is read of a body whose length is not known."""
        usual = VECTORS["webhooks"][0]
        for length, status in (("-1", 400), ("abc", 400), ("1" * 5000, 400), ("\u0663", 400), ("1048577", 413)):
            with self.subTest(length[:9]):
                body = io.BytesIO(usual["body"].encode())
                got, _ = by_wsgi(self.fail, [KEY], usual["headers"], b"", environ={"CONTENT_LENGTH": length, "wsgi.input": body})
                self.assertEqual((got, body.tell()), (status, 0))


def _list(result):
    return list(result) if hasattr(result, "__next__") else result


def by_wsgi(handle, keys, headers, body, path="/hook", environ=None, **options):
    url = urlsplit(path)
    more = environ or {}
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items() if name != "Content-Type"}
    environ |= {
        "REQUEST_METHOD": "POST", "RAW_URI": path, "PATH_INFO": url.path, "QUERY_STRING": url.query, "CONTENT_TYPE": headers["Content-Type"],
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
    } | more
    started = []
    answer = b"".join(wsgi(handle, keys, **options)(environ, lambda status, _: started.append(int(status[:3]))))
    return started[0], answer


def by_asgi(handle, keys, headers, body, path="/hook", more=None, **options):
    async def handler(event):
        return handle(event)

    url, sent = urlsplit(path), []
    scope = {
        "type": "http", "method": "POST", "path": url.path, "raw_path": url.path.encode(), "query_string": url.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    } | (more or {})
    parts = [{"type": "http.request", "body": body[:3], "more_body": True}, {"type": "http.request", "body": body[3:]}]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(asgi(handler, keys, **options)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


@unittest.skipUnless(os.environ.get("HUBGATE_TEST_CONNECTION_STRING"), "HUBGATE_TEST_CONNECTION_STRING names no gateway")
class AtAGateway(unittest.TestCase):
    """Every call to a gateway in which nobody is connected."""

    def test_calls(self):
        connection = os.environ["HUBGATE_TEST_CONNECTION_STRING"]
        with Hub("Chat", connection) as hub:
            hub.send_to_all("say", "hi")
            hub.send_to_user("a/b ü", "say")
            hub.send_to_group("red", "say", 1)
            hub.add_user_to_group("a/b ü", "red")
            hub.close_user("ann")
            hub.close_group("red", "x")
            for call in (lambda: hub.send_to_connection("nobody", "say"), lambda: hub.close_connection("nobody", "bye bye"), lambda: hub.remove_from_group("nobody", "red")):
                try:
                    call()
                except StatusError as error:
                    self.assertEqual(error.status, 404)
            self.assertTrue(hub.user_in_group("a/b ü", "red"))
            hub.remove_user_from_group("a/b ü", "red")
            self.assertFalse(hub.user_in_group("a/b ü", "red"))
            self.assertFalse(hub.user_exists("ann"))
            self.assertEqual(list(hub.list_group("red")), [])
            with self.assertRaises(StatusError) as caught:
                hub.invoke("nobody", "ask")
            self.assertEqual(caught.exception.status, 404)
        at = ConnectionString.parse(connection)
        with Hub("chat", f"Endpoint={at.endpoint};AccessKey=another-key-another-key-another-key") as stranger, self.assertRaises(StatusError) as caught:
            stranger.send_to_all("say")
        self.assertEqual(caught.exception.status, 401)

    def test_async(self):
        async def main():
            async with AsyncHub("Chat", os.environ["HUBGATE_TEST_CONNECTION_STRING"]) as hub:
                await hub.send_to_all("say", "hi")
                return await hub.user_exists("ann"), [member async for member in hub.list_group("red")]

        self.assertEqual(asyncio.run(main()), (False, []))


if __name__ == "__main__":
    unittest.main()
