// Plays an HTTP case and compares what was answered under each label.
import { request as httpRequest } from 'node:http';
import { patience, sleep, until, within } from '../lib/wait.mjs';

export const comparedHeaders = [
  'content-type', 'cache-control', 'pragma', 'expires', 'content-encoding', 'vary',
  'access-control-allow-origin', 'access-control-allow-credentials', 'access-control-allow-headers', 'access-control-allow-methods',
];

const pauseTime = 200;

export class Conversation {
  constructor(target) {
    this.target = target;
    this.answers = new Map();
  }

  has(label) {
    return this.answers.has(label);
  }

  note(label, value) {
    this.answers.set(label, value);
  }

  /** Long enough for a request just sent to have arrived, or for an answer not to be coming. */
  pause() {
    return sleep(pauseTime);
  }

  open(method, url, { body, headers, anonymous } = {}) {
    return new Promise((resolve, reject) => {
      const all = { ...(anonymous ? {} : this.target.headers), ...headers };
      if (body !== undefined) all['Content-Length'] = Buffer.byteLength(body);
      else if (method === 'POST') all['Content-Length'] = 0;
      const request = httpRequest(url, { method, headers: all, agent: false }, (answer) => resolve({ request, answer }));
      request.on('error', reject);
      request.end(body);
    });
  }

  async request(label, method, url, options) {
    const { answer } = await within(patience, `${label || method} answered`, this.open(method, url, options));
    const chunks = [];
    for await (const chunk of answer) chunks.push(chunk);
    const got = { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString('utf8') };
    this.answers.set(label, got);
    return got;
  }

  async negotiate(label, query, headers) {
    const got = await this.request(label, 'POST', this.target.negotiateUrl(query), { headers });
    const { connectionId, connectionToken } = JSON.parse(got.body);
    return { connectionId, token: connectionToken };
  }

  /** Repeats a request while it answers `status`: a dropped stream is noticed soon, not at once. */
  async repeatWhile(status, label, ...rest) {
    await until(label, async () => (await this.request(label, ...rest)).status !== status);
  }

  async stream(label, url) {
    const { request, answer } = await within(patience, label, this.open('GET', url, { headers: { Accept: 'text/event-stream' } }));
    this.answers.set(label, { status: answer.statusCode, headers: answer.headers });
    let text = '';
    answer.on('data', (chunk) => (text += chunk));
    answer.on('error', () => {});
    return {
      text: () => text,
      until: (end) => until('event', () => text.endsWith(end)),
      cut: () => request.destroy(),
    };
  }
}

/** Lists in one spelling, media types without parameters. */
function normal(name, value) {
  if (value === undefined) return undefined;
  if (name === 'content-type') return value.split(';')[0].toLowerCase();
  if (name === 'cache-control' || name.startsWith('access-control-allow-')) return value.toLowerCase().split(',').map((v) => v.trim()).join(', ');
  return value;
}

function negotiated(body, expected) {
  const answer = JSON.parse(body);
  const members = Object.keys(answer);
  if (members.join() !== expected.members.join()) return `members ${members}`;
  if (answer.negotiateVersion !== expected.negotiateVersion) return `negotiateVersion ${answer.negotiateVersion}`;
  const transports = answer.availableTransports?.map((t) => `${t.transport}:${t.transferFormats}`);
  return String(transports) === String(expected.transports) ? undefined : `transports ${transports}`;
}

/** Says whether a header is as it should be; headers in `lenient` may have values more than expected. */
function sameHeader(name, is, should, lenient) {
  if (is === should) return true;
  return name in lenient && (should === undefined || is?.split(', ').includes(should));
}

/** What differs between an answer and the expectation, or undefined. */
export function difference(got, expected, lenient) {
  if (got === undefined) return 'no answer';
  if (typeof expected === 'string') return got === expected ? undefined : `${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`;
  if (![expected.status].flat().includes(got.status)) return `status ${got.status} instead of ${expected.status} (${got.body?.slice(0, 80)})`;
  if (expected.authenticate && !expected.authenticate.test(got.headers['www-authenticate'])) return `www-authenticate: ${got.headers['www-authenticate']}`;
  for (const name of expected.headers ? comparedHeaders : []) {
    const [is, should] = [normal(name, got.headers[name]), normal(name, expected.headers[name])];
    if (!sameHeader(name, is, should, lenient)) return `${name}: ${is} instead of ${should}`;
  }
  if (expected.body !== undefined && got.body !== expected.body) return `body ${JSON.stringify(got.body)}`;
  return expected.negotiated && negotiated(got.body, expected.negotiated);
}
