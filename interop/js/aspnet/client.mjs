// npm signalr 2.4 with jQuery, unmodified, on a page of another origin. jsdom stands for the browser.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';
import EventSource from 'eventsource';
import { JSDOM, VirtualConsole } from 'jsdom';
import { Inbox, patience, until, within } from '../lib/wait.mjs';

const { resolve } = createRequire(import.meta.url);
const script = (path) => new Script(readFileSync(resolve(path), 'utf8'), { filename: path });
const jquery = script('jquery/dist/jquery.js');

export const versions = ['2.4.0', '2.4.3'];
const signalr = Object.fromEntries(versions.map((version) => [version, script(`signalr-${version}/jquery.signalR.js`)]));

export const transports = ['webSockets', 'serverSentEvents', 'longPolling'];
export const combinations = versions.flatMap((version) => transports.map((transport) => ({ version, transport, name: `${version} ${transport}` })));

/** A page whose requests and received texts the client sees. */
function page(client) {
  const virtualConsole = new VirtualConsole();
  virtualConsole.on('jsdomError', ({ type, message }) => type === 'unhandled exception' && client.errors.push(message));
  const dom = new JSDOM('<!doctype html>', { url: 'http://app.example/', runScripts: 'outside-only', pretendToBeVisual: true, virtualConsole });
  const { window } = dom;
  const asked = (method, url) => {
    const request = { method, url: new URL(url, 'http://app.example/'), texts: [] };
    client.requests.push(request);
    return request;
  };
  window.WebSocket = class extends window.WebSocket {
    constructor(url) {
      super(url);
      const { texts } = asked('WebSocket', url);
      this.addEventListener('message', ({ data }) => texts.push(data));
    }
  };
  window.EventSource = class extends EventSource {
    constructor(url) {
      super(url);
      this.reconnectInterval = 3000; // as in browsers
      const { texts } = asked('EventSource', url);
      super.addEventListener('message', ({ data }) => texts.push(data));
    }

    // In browsers every event has the phase "at target", by which the client knows that it must reconnect.
    addEventListener(type, listener) {
      super.addEventListener(type, (event) => listener.call(this, Object.assign(event, { eventPhase: 2 })));
    }
  };
  window.XMLHttpRequest = class extends window.XMLHttpRequest {
    open(method, url, ...rest) {
      super.open(method, url, ...rest);
      const request = asked(method, url);
      this.addEventListener('error', () => (request.failed = true));
      this.addEventListener('loadend', () => {
        request.status = this.status;
        request.texts.push(this.responseText);
      });
    }
  };
  const context = dom.getInternalVMContext();
  jquery.runInContext(context);
  signalr[client.version].runInContext(context);
  return window;
}

const states = ['connecting', 'connected', 'reconnecting', undefined, 'disconnected'];

export class Client {
  /** `url` is the application's; options: query (items), hubs, protocol (to announce), patient (waits long for a transport), and what start() takes. `transport` may be "auto". */
  constructor({ version, transport }, url, { query = {}, hubs = ['ChatHub'], protocol, patient = true, ...options } = {}) {
    Object.assign(this, { version, options: { transport, ...options }, requests: [], heard: [], errors: [], states: [], slow: 0 });
    this.window = page(this);
    this.connection = this.window.jQuery.hubConnection(url, { qs: query });
    if (patient) this.connection.transportConnectTimeout = patience / 2; // more than the server says
    if (protocol) this.connection.clientProtocol = protocol;
    this.proxies = new Map();
    for (const name of hubs) this.listen(name);
    this.reconnected = new Inbox('reconnected');
    const { connection } = this;
    connection.error((error) => this.errors.push(error.message));
    connection.connectionSlow(() => this.slow++);
    connection.stateChanged(({ newState }) => this.states.push(states[newState]));
    connection.reconnected(() => this.reconnected.put(connection.id));
    this.ended = new Promise((done) => connection.disconnected(() => done(connection.lastError?.message ?? 'stopped')));
  }

  /** Declares a hub and keeps what it says; `heard` has texts of "news", for other hubs than ChatHub behind the hub's name. */
  listen(name) {
    const proxy = this.connection.createHubProxy(name);
    this.proxies.set(name, proxy);
    proxy.on('news', (text) => this.heard.push(name === 'ChatHub' ? text : `${name}: ${text}`));
    proxy.on('echo', (text) => this.heard.push(`echo: ${text}`));
    proxy.on('obj', (value) => this.heard.push(JSON.stringify(value)));
  }

  get id() {
    return this.connection.id;
  }

  get transport() {
    return this.connection.transport?.name;
  }

  async start() {
    const started = new Promise((done, failed) => this.connection.start(this.options).done(done).fail(failed));
    try {
      await within(patience, 'start()', started);
    } catch (error) {
      error.message += ` (asked: ${this.requests.map(({ method, url, status, texts }) => `${method} ${url.pathname} ${status ?? texts}`).join(', ')})`;
      throw error;
    }
    return this;
  }

  /** Calls a method of ChatHub. */
  invoke(method, ...args) {
    return this.on('ChatHub', method, ...args);
  }

  /** Calls a method of a hub; `progress` gets what the call reports. A failure rejects with the client's error, which has source and data. */
  on(hub, method, ...args) {
    return within(patience, `${hub}.${method}`, this.call(hub, method, ...args));
  }

  /** The same without a bound, for calls that are not answered while the client lives. */
  call(hub, method, ...args) {
    return new Promise((done, failed) => {
      this.proxies.get(hub).invoke(method, ...args).progress((value) => (this.progress ??= []).push(value)).done(done).fail((error) => {
        if (error.message === 'Send failed.') error.message += ` (${this.to('send').filter(({ status }) => status !== 200).map(({ status, failed: cut }) => cut ? 'cut off' : status)})`;
        failed(error);
      });
    });
  }

  /** Waits for a text. */
  hears(text) {
    return until(`${this.version} ${this.transport} hears ${text} (it heard ${this.heard.slice(-5)})`, () => this.heard.includes(text));
  }

  /** What was heard that begins so. */
  heardOf(word) {
    return this.heard.filter((text) => text.startsWith(word));
  }

  /** Requests to a path below the endpoint, such as "connect". */
  to(command) {
    return this.requests.filter(({ url }) => url.pathname.endsWith(`/${command}`));
  }

  /** Texts of the channel: frames in the order of their arrival, without what only keeps alive. */
  get frames() {
    const channels = this.requests.filter(({ url }) => /\/(connect|reconnect|poll)$/.test(url.pathname));
    return channels.flatMap(({ texts }) => texts).filter((text) => text?.trim().startsWith('{')).map((text) => JSON.parse(text));
  }

  whenEnded(ms = patience) {
    return within(ms, 'disconnected', this.ended);
  }

  /** Stops the client and waits until the server knows it. */
  async stop() {
    this.connection.stop();
    await this.whenEnded();
    await until('/abort is answered', () => this.to('abort').some(({ status }) => status !== undefined));
    this.close();
  }

  /** Leaves the page, and checks what came. */
  close() {
    for (const frame of this.frames) {
      if ('M' in frame && typeof frame.C !== 'string') this.errors.push(`frame without cursor: ${JSON.stringify(frame)}`);
    }
    this.window.close();
  }
}
