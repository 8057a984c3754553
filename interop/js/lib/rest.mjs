// The REST API as a program without an SDK calls it: fetch, and a token signed for each URL.
import { restToken } from './token.mjs';

const segment = encodeURIComponent;

export class Rest {
  /** `version` is "2022-06-01" (paths with :send) or "v1". */
  constructor(gateway, version = '2022-06-01', key = gateway.key) {
    this.gateway = gateway;
    this.version = version;
    this.key = key;
  }

  async call(method, path, { query = {}, body, type = 'application/json', expect } = {}) {
    const dated = this.version !== 'v1';
    const url = new URL(`${this.gateway.endpoint}/api${dated ? '' : '/v1'}${path}`);
    if (dated) url.searchParams.set('api-version', this.version);
    for (const [name, value] of Object.entries(query)) {
      for (const one of [value].flat()) url.searchParams.append(name, one);
    }
    const headers = { Authorization: `Bearer ${restToken(this.key, url.href)}` };
    if (body !== undefined) headers['Content-Type'] = type;
    const answer = await fetch(url, { method, headers, body });
    const text = await answer.text();
    if (expect !== undefined && answer.status !== expect) {
      throw new Error(`${method} ${url.pathname}: status ${answer.status} instead of ${expect}: ${text}`);
    }
    return { status: answer.status, headers: answer.headers, text };
  }

  /** POSTs an invocation; `where` is the path below the hub, such as "/users/anna". */
  send(hub, where, target, args, query) {
    const body = JSON.stringify({ target, arguments: args });
    const action = this.version === 'v1' ? '' : '/:send';
    return this.call('POST', `/hubs/${segment(hub)}${where}${action}`, { body, query, expect: 202 });
  }

  toAll(hub, target, args, query) {
    return this.send(hub, '', target, args, query);
  }

  toUser(hub, user, target, args) {
    return this.send(hub, `/users/${segment(user)}`, target, args);
  }

  toGroup(hub, group, target, args, query) {
    return this.send(hub, `/groups/${segment(group)}`, target, args, query);
  }

  toConnection(hub, id, target, args) {
    return this.send(hub, `/connections/${segment(id)}`, target, args);
  }

  joinGroup(hub, group, id) {
    return this.call('PUT', `/hubs/${segment(hub)}/groups/${segment(group)}/connections/${segment(id)}`, { expect: 200 });
  }

  leaveGroup(hub, group, id) {
    return this.call('DELETE', `/hubs/${segment(hub)}/groups/${segment(group)}/connections/${segment(id)}`, { expect: 200 });
  }

  closeConnection(hub, id, reason) {
    return this.call('DELETE', `/hubs/${segment(hub)}/connections/${segment(id)}`, { query: { reason }, expect: 200 });
  }

  /** `where` is "" for the hub, or "/groups/G" or "/users/U". */
  closeConnections(hub, where, query) {
    return this.call('POST', `/hubs/${segment(hub)}${where}/:closeConnections`, { query, expect: 204 });
  }

  connectionExists(hub, id) {
    return this.call('HEAD', `/hubs/${segment(hub)}/connections/${segment(id)}`);
  }
}
