// Connections, users and groups of a hub: looking, sending, closing.
import { useEffect, useState } from 'preact/hooks';
import { ask, get } from '../api.js';
import { count, since, short } from '../format.js';
import { samples } from '../metrics.js';
import { useSignal } from '../signal.js';
import { Action, Card, Copy, Empty, Field, Missing, useAsked } from '../ui.jsx';
import { SendForm } from '../send.jsx';

const views = [['connections', 'Connections'], ['users', 'Users'], ['groups', 'Groups']];

/** How many characters of a name are shown: one may have a thousand. */
const long = 60;

export function useHubs() {
  const now = useSignal(samples).at(-1);
  return now ? [...new Set([...now.by('connections', 'hub').keys(), ...now.by('hub_info', 'hub').keys()])].filter((h) => h && h !== '_other' && !h.startsWith('aspnet:')).sort() : [];
}

/** A field for a hub, with those that are known to choose from. */
export function HubField({ value, onChange }) {
  const hubs = useHubs();
  return (
    <Field label="Hub">
      {(f) => <><input {...f} name="hub" list="hubs" required value={value} onInput={(e) => onChange(e.target.value)} spellcheck={false} autocapitalize="off" />
        <datalist id="hubs">{hubs.map((hub) => <option key={hub} value={hub} />)}</datalist></>}
    </Field>
  );
}

export function Explore({ query }) {
  const hubs = useHubs();
  const [hub, setHub] = useState(query.hub ?? '');
  const [view, setView] = useState('connections');
  const [filter, setFilter] = useState({ user: query.user ?? '', group: query.group ?? '' });
  const [to, setTo] = useState({ to: 'all', name: '' });
  useEffect(() => { if (!hub && hubs[0]) setHub(hubs[0]); }, [hubs.join()]);
  const show = (next, of) => { setView(next); setFilter({ user: '', group: '', ...of }); };
  return (
    <div class="columns">
      <Card>
        <div class="bar">
          <HubField value={hub} onChange={setHub} />
          <div class="tabs" role="group" aria-label="What is listed">
            {views.map(([name, title]) => <button key={name} type="button" aria-pressed={view === name} onClick={() => show(name, {})}>{title}</button>)}
          </div>
          {view !== 'users' && <Field label="User">{(f) => <input {...f} value={filter.user} onInput={(e) => setFilter({ ...filter, user: e.target.value })} />}</Field>}
          {view !== 'groups' && <Field label="Group">{(f) => <input {...f} value={filter.group} onInput={(e) => setFilter({ ...filter, group: e.target.value })} />}</Field>}
        </div>
        {hub ? <List hub={hub} view={view} filter={filter} show={show} sendTo={setTo} /> : <Empty>Name a hub.</Empty>}
      </Card>
      <Card title="Send a message"><SendForm hub={hub} target={to} onTarget={setTo} /></Card>
    </div>
  );
}

function List({ hub, view, filter, show, sendTo }) {
  const [pages, setPages] = useState(['']);
  const asked = new URLSearchParams({ maxpagesize: 100 });
  if (view !== 'users' && filter.user) asked.set('user', filter.user);
  if (view !== 'groups' && filter.group) asked.set('group', filter.group);
  if (pages.at(-1)) asked.set('continuationToken', pages.at(-1));
  const path = `/api/hubs/${encodeURIComponent(hub)}/${view}?${asked}`;
  const list = useAsked(async () => ({ view, page: await get(path) }), [path]);
  useEffect(() => setPages(['']), [hub, view, filter.user, filter.group]);
  const page = list.value?.view === view ? list.value.page : undefined; // until it has come, there is that of another view
  const Rows = { connections: Connections, users: Users, groups: Groups }[view];
  return (
    <>
      <div class="bar thin">
        <span class="soft">{page ? `${count(page.count ?? page.value.length)} in all` : '…'}</span>
        <span class="push" />
        <button type="button" disabled={pages.length < 2} onClick={() => setPages(pages.slice(0, -1))}>Back</button>
        <button type="button" disabled={!page?.continuationToken} onClick={() => setPages([...pages, page.continuationToken])}>More</button>
        <button type="button" onClick={list.again}>Refresh</button>
      </div>
      {(list.error || !page) && <Missing asked={list} what="the list" />}
      {page && page.value.length === 0 && <Empty>Nobody is there.</Empty>}
      {page && page.value.length > 0 && <div class="scroll"><Rows list={page.value} hub={hub} show={show} sendTo={sendTo} again={list.again} /></div>}
    </>
  );
}

function Connections({ list, hub, show, sendTo, again }) {
  return (
    <table class="cards">
      <thead><tr><th scope="col">User</th><th scope="col">Connection</th><th scope="col">Transport</th><th scope="col">Groups</th><th scope="col">For</th><th scope="col"><span class="unseen">Do</span></th></tr></thead>
      <tbody>
        {list.map((c) => (
          <tr key={c.connectionId}>
            <th scope="row">{c.userId ? <button type="button" class="link" title={c.userId} onClick={() => show('connections', { user: c.userId })}>{short(c.userId, long)}</button> : <span class="soft">anonymous</span>}</th>
            <td class="short" data-name="Connection"><code title={c.connectionId}>{short(c.connectionId)}</code> <Copy text={c.connectionId} what="the connection's id" /></td>
            <td data-name="Transport">{c.transport} <span class="soft">{c.protocol}{c.state === 'away' ? ', away' : ''}{c.node ? `, ${c.node}` : ''}</span></td>
            <td data-name="Groups">{c.groups.map((g) => <button type="button" class="link tag" key={g} title={g} onClick={() => show('connections', { group: g })}>{short(g, long)}</button>)}{c.groupCount > c.groups.length && <span class="soft"> and {c.groupCount - c.groups.length} more</span>}</td>
            <td class="short" data-name="For">{since(c.connectedAt)}</td>
            <td class="do">
              <button type="button" onClick={() => sendTo({ to: 'connection', name: c.connectionId })}>Send</button>
              <a class="button" href={`#/trace?hub=${encodeURIComponent(hub)}&connection=${encodeURIComponent(c.connectionId)}`}>Trace</a>
              <Action class="danger" confirm={`Close the connection of ${short(c.userId ?? '', long) || 'an anonymous client'}?`} onAct={async () => { await ask('DELETE', `/api/hubs/${encodeURIComponent(hub)}/connections/${encodeURIComponent(c.connectionId)}`); again(); }}>Close</Action>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Users({ list, hub, show, sendTo, again }) {
  return (
    <table class="cards">
      <thead><tr><th scope="col">User</th><th scope="col" class="n">Connections</th><th scope="col"><span class="unseen">Do</span></th></tr></thead>
      <tbody>
        {list.map((u) => (
          <tr key={u.userId}>
            <th scope="row"><button type="button" class="link" title={u.userId} onClick={() => show('connections', { user: u.userId })}>{short(u.userId, long)}</button></th>
            <td class="n" data-name="Connections">{count(u.connections)}</td>
            <td class="do">
              <button type="button" onClick={() => sendTo({ to: 'user', name: u.userId })}>Send</button>
              <Action class="danger" confirm={`Close all connections of ${short(u.userId, long)}?`} onAct={async () => { await ask('DELETE', `/api/hubs/${encodeURIComponent(hub)}/users/${encodeURIComponent(u.userId)}/connections`); again(); }}>Close all</Action>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Groups({ list, show, sendTo }) {
  return (
    <table class="cards">
      <thead><tr><th scope="col">Group</th><th scope="col" class="n">Connections</th><th scope="col"><span class="unseen">Do</span></th></tr></thead>
      <tbody>
        {list.map((g) => (
          <tr key={g.group}>
            <th scope="row"><button type="button" class="link" title={g.group} onClick={() => show('connections', { group: g.group })}>{short(g.group, long)}</button></th>
            <td class="n" data-name="Connections">{count(g.connections)}</td>
            <td class="do"><button type="button" onClick={() => sendTo({ to: 'group', name: g.group })}>Send</button></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
