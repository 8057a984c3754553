// What the cases run at: hub servers behind a gateway, or a self-hosted server of ASP.NET SignalR, which is the reference.
import { createServer } from 'node:http';
import { TcpDetour } from '../lib/detour.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { sign } from '../lib/token.mjs';
import { Client } from './client.mjs';
import { AspNetServer } from './hubserver.mjs';

let words = 0;

/** The beginning of texts that no other case uses. All clients of a stand hear its broadcasts. */
export const freshWord = () => `w${++words}-`;

/** Ends the process with a line "skip" if the binary does not serve ASP.NET SignalR. */
export async function unlessNotServed(report) {
  const gateway = await Gateway.start(['--mode', 'default']);
  const { status } = await fetch(`${gateway.endpoint}/aspnetclient/negotiate`);
  await gateway.stop();
  if (status !== 404) return;
  report.line('skip', 'all', 'the program does not serve /aspnetclient');
  report.finish();
}

/** The application's negotiate as a proxy in front of it may have it: it sends clients elsewhere. */
class Front {
  static async listen() {
    const front = new Front();
    front.answers = [];
    front.server = createServer(async (request, response) => {
      const [, index, query] = /^\/(\d+)\/signalr\/negotiate\??(.*)$/.exec(request.url) ?? [];
      response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
      response.setHeader('Access-Control-Allow-Credentials', 'true');
      try {
        response.end(JSON.stringify(await front.answers[index](query)));
      } catch (error) {
        response.writeHead(500).end(error.message);
      }
    });
    await new Promise((resolve) => front.server.listen(0, '127.0.0.1', resolve));
    return front;
  }

  /** The URL of an application whose negotiate answers what `answer` makes of the query. */
  url(answer) {
    return `http://127.0.0.1:${this.server.address().port}/${this.answers.push(answer) - 1}`;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export class Stand {
  /** A gateway with `flags`, and one hub server unless `servers` says otherwise. `path` is that of the gateway's public URL. */
  static async behind(flags = [], { servers = 1, path = '', ...options } = {}) {
    const stand = new Stand();
    stand.gateway = await Gateway.start(flags.includes('--mode') ? flags : ['--mode', 'default', ...flags]);
    stand.front = await Front.listen();
    stand.servers = await Promise.all(Array.from({ length: servers }, () => AspNetServer.start(stand.gateway, { endpoint: stand.gateway.endpoint + path, ...options })));
    return stand;
  }

  static self(url) {
    const stand = new Stand();
    stand.self = new URL(url);
    return stand;
  }

  get server() {
    return this.servers[0];
  }

  /** What clients reach: host and path. */
  get endpoint() {
    return this.self?.origin ?? this.gateway.endpoint;
  }

  get path() {
    return this.self ? '/signalr' : '/aspnetclient';
  }

  /** A proxy of one of the kinds of lib/detour.mjs, for `via`. */
  detour(kind = TcpDetour, ...options) {
    return kind.to(new URL(this.endpoint).port, ...options);
  }

  /** The application's URL for clients that reach the gateway through a detour. */
  applicationUrl(server, via) {
    if (this.self) return via?.endpoint ?? this.self.origin;
    if (!via) return server.endpoint;
    return this.front.url(async (query) => {
      const answer = await fetch(`${server.endpoint}/signalr/negotiate?${query}`);
      const redirect = await answer.json();
      redirect.RedirectUrl = via.endpoint + redirect.RedirectUrl.slice(this.gateway.endpoint.length);
      return redirect;
    });
  }

  /** The URL of an application that lets everybody in, whatever hubs they declare, though no hub server may know of it. */
  lenientUrl(application = 'classic', claims = {}) {
    return this.front.url(() => ({
      ProtocolVersion: '2.0', RedirectUrl: `${this.gateway.endpoint}/aspnetclient`, AccessToken: this.token(application, claims), TryWebSockets: true,
    }));
  }

  token(application = 'classic', claims = {}) {
    const now = Math.floor(Date.now() / 1000);
    return sign({ aud: 'http://127.0.0.1/aspnetclient', iat: now, exp: now + 3600, 'asrs.s.apn': application, ...claims }, this.gateway.key);
  }

  /** Starts a client. Options: via, server, url, and those of Client. */
  connect(combination, { via, server = this.servers?.[0], url, ...options } = {}) {
    return new Client(combination, url ?? this.applicationUrl(server, via), options).start();
  }

  /** Ends everything; resolves to exit codes. */
  async close() {
    if (this.self) return [];
    const codes = await Promise.all(this.servers.filter((server) => !server.gone).map((server) => server.stop()));
    codes.push(await this.gateway.stop());
    this.front.close();
    return codes;
  }
}
