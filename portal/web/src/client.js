// A client of the gateway in this page: a WebSocket with the JSON protocol of SignalR.

const end = '\x1e';

export class TestClient {
  /** Connects with {url} of POST /api/client. on.state gets open or closed with a text, on.record each record. */
  constructor(url, on) {
    this.on = on;
    this.socket = new WebSocket(url);
    this.invocation = 0;
    this.socket.onopen = () => this.socket.send(JSON.stringify({ protocol: 'json', version: 1 }) + end);
    this.socket.onmessage = ({ data }) => data.split(end).filter(Boolean).forEach((text) => this.take(JSON.parse(text)));
    this.socket.onclose = ({ reason }) => { clearInterval(this.pings); on.state('closed', this.why ?? reason); };
    this.pings = setInterval(() => this.send({ type: 6 }), 10_000);
  }

  take(record) {
    if (record.type === undefined) {
      if (record.error) this.why = record.error;
      else this.on.state('open', '');
      return;
    }
    if (record.type === 6) return;
    if (record.type === 7) this.why = record.error;
    this.on.record(record);
  }

  send(record) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(record) + end);
  }

  /** Calls a method; with an answer if it is wanted. */
  call(target, args, wantsAnswer) {
    const record = { type: 1, target, arguments: args };
    if (wantsAnswer) record.invocationId = String(++this.invocation);
    this.send(record);
    return record;
  }

  close() {
    this.send({ type: 7 });
    this.socket.close();
  }
}
