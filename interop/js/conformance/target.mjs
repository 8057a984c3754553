// The two servers that the conformance cases run against, reduced to what the cases need.
import { Gateway } from '../lib/gateway.mjs';
import { clientToken } from '../lib/token.mjs';
import { Webhook } from '../lib/webhook.mjs';

const withQuery = (url, query) => {
  const all = new URL(url);
  for (const [name, value] of Object.entries(query)) all.searchParams.append(name, value);
  return all.href;
};

/** ASP.NET Core SignalR at `base`, its hub at /test, no authentication. */
export function aspNetCore(base) {
  return {
    name: 'aspnetcore',
    headers: {},
    negotiateUrl: (query = {}) => withQuery(`${base}/test/negotiate`, query),
    transportUrl: (query = {}) => withQuery(`${base}/test`, query),
    log: () => '',
    close: async () => {},
  };
}

/** hubgate in Serverless mode with an upstream that answers each invocation as the ASP.NET Core hub's void method does. */
export async function hubgate() {
  const webhook = await Webhook.listen();
  const gateway = await Gateway.start(['--upstream', webhook.template]);
  webhook.keys = gateway.keys;
  webhook.on('Nothing', () => ({ result: null }));
  const hub = 'conformance';
  return {
    name: 'hubgate',
    headers: { Authorization: `Bearer ${clientToken(gateway.key, gateway.endpoint, hub)}` },
    negotiateUrl: (query = {}) => withQuery(`${gateway.endpoint}/client/negotiate?hub=${hub}`, query),
    transportUrl: (query = {}) => withQuery(`${gateway.endpoint}/client/?hub=${hub}`, query),
    log: () => gateway.log(),
    close: async () => {
      await gateway.stop();
      webhook.close();
      if (webhook.problems.length > 0) throw new Error(webhook.problems[0]);
    },
  };
}
