// Who is connected now.
import { again } from './stream.js';
import { byId, el, plural, short } from './dom.js';

const maxShown = 100;
const clients = new Map(); // by hub and connection id
const servers = new Map(); // by hub and id
let unlisted = 0; // that the gateway did not name
let drawing = false;
let late = 0; // the timer until who is connected is read again
const patience = 3000;

const keyOf = (event) => `${event.hub} ${event.connection ?? event.server?.id}`;

/** A stream has begun: what was known may have ended meanwhile. */
export function forget() {
  clients.clear();
  servers.clear();
  unlisted = 0;
  draw();
}

export function take(event) {
  const table = { connection: clients, server: servers }[event.kind];
  if (event.lost?.reason === 'SlowWatcher') late ||= setTimeout(() => ((late = 0), again()), patience); // somebody may have come or gone
  if (event.lost?.reason === 'TooManyPresent') unlisted = event.lost.events;
  else if (!table) return;
  else if (event.what === 'closed') table.delete(keyOf(event));
  else table.set(keyOf(event), event);
  if (!drawing) requestAnimationFrame(draw);
  drawing = true;
}

/** The hubs that somebody is connected to. */
const hubs = () => [...new Set([...clients.values(), ...servers.values()].map((event) => event.hub))].sort();

function draw() {
  drawing = false;
  byId('total-clients').textContent = (clients.size + unlisted).toLocaleString('en');
  byId('total-servers').textContent = servers.size.toLocaleString('en');
  byId('hubs').replaceChildren(...hubs().map((hub) => el('option', { value: hub })));
  const items = [...groupServers().map(serverItem), ...[...clients.values()].slice(-maxShown).reverse().map(clientItem)];
  byId('here').replaceChildren(...items);
  byId('here-empty').hidden = items.length > 0;
  const more = clients.size + unlisted - Math.min(clients.size, maxShown);
  byId('here-more').hidden = more === 0;
  byId('here-more').textContent = `and ${plural(more, 'more client', 'more clients')}`;
}

/** Connections of hub servers are many and alike: one line for each hub and software. */
function groupServers() {
  const groups = new Map();
  for (const event of servers.values()) {
    const key = `${event.hub} ${event.server.agent ?? ''}`;
    groups.set(key, { event, count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()];
}

const serverItem = ({ event, count }) =>
  el('li', { 'data-kind': 'server' },
    el('span', { class: 'who' }, el('b', {}, event.server.agent || 'hub server')),
    el('span', { class: 'facts' }, el('span', {}, event.hub), el('span', {}, plural(count, 'connection'))));

const clientItem = (event) =>
  el('li', { 'data-kind': 'connection' },
    el('span', { class: 'who' }, event.user ? el('b', {}, event.user) : el('i', {}, 'anonymous')),
    el('button', { type: 'button', 'aria-label': `Send to connection ${event.connection}`, onclick: () => aim(event) }, 'Send …'),
    el('span', { class: 'facts' }, el('span', {}, event.hub), el('span', {}, event.client.transport),
      el('span', { title: event.connection }, short(event.connection))));

/** Fills the form with this receiver. */
function aim(event) {
  const fields = byId('send').elements;
  fields.hub.value = event.hub;
  fields.to.value = event.user ? 'user' : 'connection';
  fields.to.dispatchEvent(new Event('change'));
  fields.name.value = event.user || event.connection;
  fields.method.focus();
}
