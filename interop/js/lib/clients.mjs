// The official JavaScript clients, by version, hub protocol and transport.
import * as signalr8 from 'signalr-8';
import * as signalr9 from 'signalr-9';
import * as signalr10 from 'signalr-10';
import { MessagePackHubProtocol as MessagePack8 } from 'msgpack-8';
import { MessagePackHubProtocol as MessagePack9 } from 'msgpack-9';
import { MessagePackHubProtocol as MessagePack10 } from 'msgpack-10';
import EventSource from 'eventsource';
import { Inbox, patience, within } from './wait.mjs';

export const packages = {
  8: { signalr: signalr8, MessagePack: MessagePack8 },
  9: { signalr: signalr9, MessagePack: MessagePack9 },
  10: { signalr: signalr10, MessagePack: MessagePack10 },
};

/** Every version x protocol x transport that the clients themselves offer. */
export const combinations = [];
for (const version of Object.keys(packages)) {
  for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling']) combinations.push({ version, protocol: 'json', transport });
  for (const transport of ['WebSockets', 'LongPolling']) combinations.push({ version, protocol: 'messagepack', transport });
}
for (const combination of combinations) combination.name = `${combination.version} ${combination.protocol} ${combination.transport}`;

/** MessagePack as the client has it, keeping a copy of the bytes it was given. */
function observed(protocol) {
  const received = [];
  const parse = protocol.parseMessages.bind(protocol);
  protocol.parseMessages = (input, logger) => {
    received.push(Buffer.from(input));
    return parse(input, logger);
  };
  return { protocol, received };
}

/**
 * Dials once. The clients (8 to 10) leave an EventSource that the network fails before it has opened: it dials again a second later,
 * with the id that nobody uses any more. When the gateway ends that stream, because no handshake came, the client takes its own
 * connection for ended: it comes again, leaves the former one open, and gets everything twice.
 */
export class OneEventSource extends EventSource {
  emit(type, ...rest) {
    if (type === 'error' && this.readyState === EventSource.CONNECTING) this.close();
    return super.emit(type, ...rest);
  }
}

export class Client {
  /** `url` is a hub URL as an application writes it; options: http (connection options), reconnect (delays), stateful, fallback. */
  constructor({ version, protocol, transport }, url, options = {}) {
    const { signalr, MessagePack } = packages[version];
    const http = { ...options.http };
    if (!options.fallback) http.transport = signalr.HttpTransportType[transport];
    let builder = new signalr.HubConnectionBuilder().withUrl(url, http).configureLogging(signalr.LogLevel.None);
    if (protocol === 'messagepack') {
      const watched = observed(new MessagePack());
      this.bytes = watched.received;
      builder = builder.withHubProtocol(watched.protocol);
    }
    if (options.reconnect) builder = builder.withAutomaticReconnect(options.reconnect);
    if (options.stateful) builder = builder.withStatefulReconnect();
    this.connection = builder.build();
    this.Subject = signalr.Subject;
    this.inboxes = new Map();
    this.closed = new Promise((resolve) => this.connection.onclose((error) => resolve({ error })));
    this.reconnecting = new Inbox('reconnecting');
    this.reconnected = new Inbox('reconnected');
    this.connection.onreconnecting((error) => this.reconnecting.put({ error }));
    this.connection.onreconnected((id) => this.reconnected.put(id));
  }

  get id() {
    return this.connection.connectionId;
  }

  /** The Inbox of what the server invokes as `target`: arrays of arguments. */
  inbox(target) {
    if (!this.inboxes.has(target)) {
      const inbox = new Inbox(`message ${target}`);
      this.inboxes.set(target, inbox);
      this.connection.on(target, (...args) => inbox.put(args));
    }
    return this.inboxes.get(target);
  }

  /** A stream to the server: an argument whose next(), complete() and error() it gets. */
  subject() {
    return new this.Subject();
  }

  start() {
    return within(patience, 'start()', this.connection.start());
  }

  invoke(...args) {
    return within(patience, `invoke(${args[0]})`, this.connection.invoke(...args));
  }

  send(...args) {
    return within(patience, `send(${args[0]})`, this.connection.send(...args));
  }

  stop() {
    return within(patience, 'stop()', this.connection.stop());
  }

  whenClosed(ms = patience) {
    return within(ms, 'onclose', this.closed);
  }
}
