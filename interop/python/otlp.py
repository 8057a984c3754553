"""The gateway's traces and metrics with OpenTelemetry's own libraries: prints a line for each case, exits 1 if one failed.

The webhook is an application with opentelemetry-sdk: it goes on with the gateway's trace, and sends its own spans to
the same collector. The collector reads what comes by the protocol's own definitions (opentelemetry-proto).
HUBGATE_BIN is the program.
"""

import asyncio
import collections
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from pysignalr.client import SignalRClient

from rest import token

KEY = secrets.token_hex(24)
PATIENCE = 100


class Quiet(BaseHTTPRequestHandler):
    """A server's requests, without a log."""

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get('Content-Length', 0)))

    def answer(self, status: int, body: bytes = b'', kind: str = 'application/json') -> None:
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(handler: type[Quiet]) -> str:
    """Starts a server on a thread and returns its URL."""
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f'http://127.0.0.1:{server.server_port}'


Seen = collections.namedtuple('Seen', 'service span attributes')


class Collector:
    """Receives OTLP over HTTP."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.spans: list[Seen] = []
        self.metrics: dict[str, object] = {}
        self.resources: dict[str, dict[str, str]] = {}
        collector = self

        class Handler(Quiet):
            def do_POST(self) -> None:
                kinds = {'/v1/traces': (collector.traces, ExportTraceServiceResponse), '/v1/metrics': (collector.measured, ExportMetricsServiceResponse)}
                take, response = kinds[self.path]
                if self.headers['Content-Type'] != 'application/x-protobuf':
                    self.answer(415)
                    return
                take(self.body())
                self.answer(200, response().SerializeToString(), 'application/x-protobuf')

        self.url = serve(Handler)

    @staticmethod
    def named(attributes: object) -> dict[str, str]:
        return {one.key: str(getattr(one.value, one.value.WhichOneof('value'))) for one in attributes}

    def traces(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self.changed:
            for group in request.resource_spans:
                resource = self.named(group.resource.attributes)
                self.resources[resource['service.name']] = resource
                for scope in group.scope_spans:
                    for span in scope.spans:
                        self.spans.append(Seen(resource['service.name'], span, self.named(span.attributes)))
            self.changed.notify_all()

    def measured(self, body: bytes) -> None:
        request = ExportMetricsServiceRequest.FromString(body)
        with self.changed:
            for group in request.resource_metrics:
                for scope in group.scope_metrics:
                    for metric in scope.metrics:
                        self.metrics[metric.name] = metric
            self.changed.notify_all()

    def wait(self, what: str, found: object) -> object:
        """Waits until found() returns something, and returns it."""
        with self.changed:
            result = None

            def look() -> bool:
                nonlocal result
                result = found()
                return bool(result)

            if not self.changed.wait_for(look, PATIENCE):
                raise AssertionError(f'{what} did not come: {[(s.service, s.span.name) for s in self.spans]}')
            return result

    def chain(self, trace_id: int, *names: str) -> list[Seen]:
        """Waits for spans of a trace with these names, each the parent of the next."""

        def found() -> list[Seen] | None:
            spans: list[Seen] = []
            for name in names:
                below = [s for s in self.spans if int.from_bytes(s.span.trace_id) == trace_id and s.span.name == name and (not spans or s.span.parent_span_id == spans[-1].span.span_id)]
                if not below:
                    return None
                spans.append(below[0])
            return spans

        return self.wait(' > '.join(names), found)


class Gateway:
    """The program, which sends what it sees to the collector."""

    def __init__(self, collector: Collector, webhook: str) -> None:
        flags = ['--listen', '127.0.0.1:0', '--admin-listen', 'off', '--access-key', KEY, '--upstream', webhook, '--otel-endpoint', collector.url, '--otel-interval', '1s']
        self.log: list[str] = []
        self.process = subprocess.Popen([os.environ['HUBGATE_BIN'], 'serve', *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        ready = threading.Event()

        def read() -> None:
            for line in self.process.stderr:
                self.log.append(line)
                if found := re.search(r'msg=serving .*\burl=(\S+)', line):
                    self.url = found.group(1)
                    ready.set()
            ready.set()

        threading.Thread(target=read, daemon=True).start()
        if not ready.wait(PATIENCE) or not hasattr(self, 'url'):
            raise AssertionError('the gateway does not serve: ' + ''.join(self.log))

    def send(self, where: str, headers: dict[str, str]) -> None:
        url = f'{self.url}/api/hubs/chat{where}/:send'
        headers = {**headers, 'Authorization': f'Bearer {token(KEY, url)}', 'Content-Type': 'application/json'}
        body = json.dumps({'target': 'news', 'arguments': ['hello']}).encode()
        with urllib.request.urlopen(urllib.request.Request(url + '?api-version=2022-06-01', body, headers), timeout=30):
            pass

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Webhook:
    """An application that answers a client's call by a message over REST, as a part of the same trace."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self.gateway: Gateway | None = None
        self.traces: list[int] = []
        webhook = self

        class Handler(Quiet):
            def do_POST(self) -> None:
                self.body()
                if self.headers['X-ASRS-Category'] == 'messages':
                    with tracer.start_as_current_span('say', propagate.extract(self.headers), trace.SpanKind.SERVER) as span:
                        webhook.traces.append(span.get_span_context().trace_id)
                        headers: dict[str, str] = {}
                        propagate.inject(headers)
                        webhook.gateway.send('/users/ann', headers)
                self.answer(200)

        self.url = serve(Handler)


class World:
    def __init__(self) -> None:
        self.collector = Collector()
        provider = TracerProvider(resource=Resource.create({'service.name': 'application'}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(self.collector.url + '/v1/traces')))
        self.tracer = provider.get_tracer('interop')
        self.webhook = Webhook(self.tracer)
        self.gateway = self.webhook.gateway = Gateway(self.collector, self.webhook.url)

    async def client(self, case: object) -> None:
        """Calls the case with a client of the user ann, and what it is sent."""
        news: asyncio.Queue[list] = asyncio.Queue()
        opened = asyncio.Event()
        url = f'{self.gateway.url}/client/?hub=chat'
        client = SignalRClient(url, headers={'Authorization': f'Bearer {token(KEY, url, nameid="ann")}'})

        async def on_news(arguments: list) -> None:
            news.put_nowait(arguments)

        async def on_open() -> None:
            opened.set()

        client.on('news', on_news)
        client.on_open(on_open)
        running = asyncio.create_task(client.run())
        try:
            await asyncio.wait_for(opened.wait(), PATIENCE)
            await case(client, news)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def from_a_call(world: World) -> None:
    async def case(client: SignalRClient, news: asyncio.Queue) -> None:
        await client.send('say', ['hello'])
        await asyncio.wait_for(news.get(), PATIENCE)

    await world.client(case)
    spans = await asyncio.to_thread(world.collector.chain, world.webhook.traces[-1], 'client message', 'POST', 'say', 'POST SendToUser', 'fan-out')
    services = [one.service for one in spans]
    if services != ['hubgate', 'hubgate', 'application', 'hubgate', 'hubgate']:
        raise AssertionError(services)
    kinds = [one.span.kind for one in spans]
    if kinds != [Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL]:
        raise AssertionError(kinds)
    if spans[0].span.parent_span_id or spans[0].attributes['hubgate.method'] != 'say' or spans[-1].attributes['hubgate.written'] != '1':
        raise AssertionError(spans)


async def from_rest(world: World) -> None:
    async def case(_: SignalRClient, news: asyncio.Queue) -> None:
        with world.tracer.start_as_current_span('news') as span:
            headers: dict[str, str] = {}
            propagate.inject(headers)
            await asyncio.to_thread(world.gateway.send, '', headers)
        await asyncio.wait_for(news.get(), PATIENCE)
        await asyncio.to_thread(world.collector.chain, span.get_span_context().trace_id, 'news', 'POST Broadcast', 'fan-out')

    await world.client(case)


async def not_kept(world: World) -> None:
    dropped = secrets.token_hex(16)

    async def case(_: SignalRClient, news: asyncio.Queue) -> None:
        await asyncio.to_thread(world.gateway.send, '', {'traceparent': f'00-{dropped}-{secrets.token_hex(8)}-00'})
        await asyncio.wait_for(news.get(), PATIENCE)

    await world.client(case)
    await from_rest(world)  # whose spans come behind those of the first
    if any(one.span.trace_id.hex() == dropped for one in world.collector.spans):
        raise AssertionError('spans of a trace that its caller does not keep')


async def metrics(world: World) -> None:
    name = 'hubgate_connections_opened_total'
    metric = await asyncio.to_thread(world.collector.wait, name, lambda: world.collector.metrics.get(name))
    if not metric.sum.is_monotonic or sum(point.as_double for point in metric.sum.data_points) < 1:
        raise AssertionError(metric)
    if len(world.collector.metrics) < 50:
        raise AssertionError(sorted(world.collector.metrics))


async def ends(world: World) -> None:
    if status := await asyncio.to_thread(world.gateway.stop):
        raise AssertionError(f'the gateway ended with {status}')
    log = ''.join(world.gateway.log)
    if 'not everything was sent' in log or KEY in log:
        raise AssertionError(log)
    version = world.collector.resources['hubgate']['service.version']
    if not version:
        raise AssertionError('no version')


async def main() -> int:
    failed = 0
    world = World()
    try:
        for name, case in {
            "one trace from a client's call over a webhook and REST to the fan-out": from_a_call,
            'one trace from a REST call to the fan-out': from_rest,
            'a trace that its caller does not keep is not sent': not_kept,
            'metrics': metrics,
            'everything is sent before the end': ends,
        }.items():
            try:
                await asyncio.wait_for(case(world), 3 * PATIENCE)
                print(f'ok opentelemetry: {name}', flush=True)
            except Exception as error:
                failed += 1
                print(f'FAIL opentelemetry: {name}: {type(error).__name__} {error}'.replace('\n', ' '), flush=True)
    finally:
        if world.gateway.process.poll() is None:
            world.gateway.process.kill()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(asyncio.run(main()))
