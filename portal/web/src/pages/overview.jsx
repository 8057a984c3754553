// What the gateway does now: the way of a message as a strip, and the last minutes as charts, of all nodes or of one.
import { get } from '../api.js';
import { Chart } from '../chart.jsx';
import { bytes, count, percent, plural, since, took } from '../format.js';
import { rate, samples } from '../metrics.js';
import { signal, useSignal } from '../signal.js';
import { Card, Empty, Facts, Missing, useAsked } from '../ui.jsx';

/** What a reader says of each sample, as rates if it is a counter. */
const gauge = (list, read) => list.map(read);
const rates = (list, read) => list.slice(1).map((s, i) => rate(s, list[i], read));

/** Which node is shown, undefined for all. */
const chosen = signal(undefined);

export function Overview() {
  const all = useSignal(samples);
  const wanted = useSignal(chosen);
  const about = useAsked(() => get('/api/overview'), [Math.floor(all.length / 5)]);
  const peers = useAsked(() => (about.value?.clustered ? get('/cluster') : Promise.resolve({})), [Math.floor(all.length / 5), about.value?.clustered]);
  if (!all.length) return <Missing asked={about} what="the metrics" />;
  const nodes = [...new Set(all.flatMap((s) => [...s.nodes.keys()]))].sort();
  const node = nodes.length > 1 && nodes.includes(wanted) ? wanted : undefined;
  const list = node === undefined ? all : all.map((s) => s.of(node));
  const [now, before] = [list.at(-1), list.at(-2)];
  return (
    <div class="stack">
      {nodes.length > 1 && <Choice nodes={nodes} node={node} own={about.value?.node} />}
      <Strip now={now} before={before} about={about.value} alone={node} />
      <div class="grid">
        <Charts list={list} />
      </div>
      {about.value?.clustered && <Nodes now={all.at(-1)} before={all.at(-2)} own={about.value} asked={peers} />}
      <div class="grid wide">
        <Closes list={list} />
        <Hubs now={now} before={before} />
        <Card title={about.value?.clustered ? 'This node' : 'This gateway'}>
          <Facts list={facts(all.at(-1).of(about.value?.node), about.value)} />
        </Card>
      </div>
    </div>
  );
}

function Choice({ nodes, node, own }) {
  return (
    <div class="tabs" role="group" aria-label="Whose numbers are shown">
      {[undefined, ...nodes].map((name) => (
        <button key={name ?? ''} type="button" aria-pressed={node === name} onClick={() => { chosen.value = name; }}>
          {name === undefined ? 'All nodes' : name}{name !== undefined && name === own ? ' (this one)' : ''}
        </button>
      ))}
    </div>
  );
}

function facts(now, about = {}) {
  const started = now.sum('process_start_time_seconds');
  return [
    ['version', about.version ?? now.all('build_info')[0]?.labels.version], ['node', about.node], ['address', about.url],
    ['mode', about.mode], ['runs for', started ? since(new Date(started * 1000)) : ''],
    ['settings', about.error ?? (about.revision && `revision ${about.revision}`)], ['kept in', about.kept],
    ['state', about.draining ? 'draining' : about.stopped ? 'stopped' : 'serving'],
    ['memory', bytes(now.sum('process_resident_memory_bytes'))], ['open files', count(now.sum('process_open_fds'))],
  ];
}

/** clients <-> gateway <-> hub servers / upstreams. */
function Strip({ now, before, about, alone }) {
  const upstream = rate(now, before, (s) => s.sum('upstream_requests_total'));
  const good = rate(now, before, (s) => s.sum('upstream_requests_total', { result: 'ok' }));
  const asked = now.sum('upstream_requests_total');
  const servers = now.sum('server_connections');
  const waiting = now.sum('server_clients_waiting');
  const open = now.sum('outbox_circuits_open');
  const clients = now.sum('connections');
  const draining = now.sum('draining');
  const many = alone === undefined && now.nodes.size > 1;
  const state = !now.nodes.size ? 'away' : about?.stopped ? 'stopped' : draining ? (many ? `${draining} draining` : 'draining') : 'serving';
  const gateway = [[about?.mode ?? '', ''], [bytes(now.sum('backlog_bytes')), 'wait'], ...(many ? [[count(now.nodes.size), 'nodes']] : [])];
  return (
    <section class="strip" aria-label="Where messages go">
      <Station tone={clients ? 'good' : 'quiet'} name="Clients" main={count(clients)} lines={transports(now)} />
      <Way up={rate(now, before, (s) => s.sum('node_messages_received_total'))} down={rate(now, before, (s) => s.sum('node_deliveries_written_total'))} />
      <Station tone={state === 'serving' ? 'good' : 'warn'} name={alone === undefined ? 'Gateway' : `Node ${alone}`} main={state} lines={gateway} />
      <Way up={upstream} />
      <div class="ends">
        <Station tone={servers ? (waiting ? 'warn' : 'good') : 'quiet'} name="Hub servers" main={count(servers)}
          lines={[[count(now.sum('server_clients')), 'clients'], ...(waiting ? [[count(waiting), 'wait']] : [])]} />
        <Station tone={!asked ? 'quiet' : open || good < upstream ? 'bad' : 'good'} name="Upstreams" main={`${count(upstream)}/s`}
          lines={[[count(now.sum('upstream_queued_events')), 'wait'], ...(open ? [[count(open), 'down']] : [])]} />
      </div>
    </section>
  );
}

const transports = (now) => [...now.by('connections', 'transport')].filter(([, n]) => n).map(([name, n]) => [count(n), name]);

function Station({ name, main, lines, tone }) {
  return (
    <div class={`station tone-${tone}`}>
      <span class="name"><i class="dot" />{name}</span><strong>{main}</strong>
      <ul>{lines.map(([n, what]) => <li key={what}><b>{n}</b> {what}</li>)}</ul>
    </div>
  );
}

function Way({ up, down }) {
  return (
    <div class="way">
      {up !== undefined && <span title="to the right, in a second">{count(up)}/s <i aria-hidden="true">→</i></span>}
      {down !== undefined && <span title="to the left, in a second"><i aria-hidden="true">←</i> {count(down)}/s</span>}
    </div>
  );
}

function Charts({ list }) {
  const each = (n) => `${count(n)}/s`;
  const bytesEach = (n) => `${bytes(n)}/s`;
  return (
    <>
      <Chart title="Connections" format={count} series={[{ name: 'now', tone: 'a', points: gauge(list, (s) => s.sum('connections')) }]} hint="the last five minutes" />
      <Chart title="Messages" format={each} series={[
        { name: 'to clients', tone: 'a', points: rates(list, (s) => s.sum('node_deliveries_written_total')) },
        { name: 'from clients', tone: 'b', points: rates(list, (s) => s.sum('node_messages_received_total')) },
      ]} />
      <Chart title="Traffic" format={bytesEach} series={[
        { name: 'out', tone: 'a', points: rates(list, (s) => s.sum('node_sent_bytes_total')) },
        { name: 'in', tone: 'b', points: rates(list, (s) => s.sum('node_received_bytes_total')) },
      ]} />
      <Chart title="Closes" format={each} series={closes(list)} />
      <Chart title="CPU" format={percent} series={[{ name: 'of one core', tone: 'd', points: rates(list, (s) => s.sum('process_cpu_seconds_total')) }]} />
      <Chart title="Memory" format={bytes} series={[{ name: 'resident', tone: 'd', points: gauge(list, (s) => s.sum('process_resident_memory_bytes')) }]} />
    </>
  );
}

/** Closes by reason: the most frequent of the last minutes, and all others together. */
function closes(list) {
  const read = (s) => s.by('connections_closed_total', 'reason');
  const first = read(list[0]);
  const grown = [...read(list.at(-1))].map(([reason, n]) => [reason, n - (first.get(reason) ?? 0)]).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const shown = grown.slice(0, 2).map(([reason]) => reason);
  const of = (wanted) => (s) => [...read(s)].reduce((sum, [reason, n]) => sum + (wanted(reason) ? n : 0), 0);
  const series = shown.map((reason, i) => ({ name: reason, tone: 'cd'[i], points: rates(list, of((r) => r === reason)) }));
  return series.length && grown.length <= 2 ? series : [...series, { name: series.length ? 'others' : 'in a second', tone: 'a', points: rates(list, of((r) => !shown.includes(r))) }];
}

/** All nodes: what each has, and how this one sees the others. */
function Nodes({ now, before, own, asked }) {
  const peers = asked.value?.peers ?? [];
  const rows = [{ node: own.node, state: 'this node', version: own.version }, ...peers];
  const cells = (node) => {
    const [s, last] = [now.of(node), before?.of(node)];
    if (!s.nodes.size) return {};
    return {
      clients: count(s.sum('connections')), out: `${count(rate(s, last, (one) => one.sum('node_deliveries_written_total')))}/s`,
      cpu: percent(rate(s, last, (one) => one.sum('process_cpu_seconds_total'))), memory: bytes(s.sum('process_resident_memory_bytes')),
    };
  };
  const heads = [['State'], ['Version'], ['Clients', 'n'], ['Out', 'n'], ['CPU', 'n'], ['Memory', 'n'], ['Round trip', 'n'], ['Waits', 'n']];
  return (
    <Card title="Nodes" note={asked.value ? plural(rows.length, 'node') : ''}>
      {asked.error && <p class="bad pad" role="alert">{asked.error}</p>}
      {asked.value && peers.length === 0 && <Empty>This node sees no other.</Empty>}
      <div class="scroll" tabIndex={0} role="region" aria-label="Nodes">
        <table class="cards">
          <thead><tr><th scope="col">Node</th>{heads.map(([name, kind]) => <th key={name} scope="col" class={kind}>{name}</th>)}</tr></thead>
          <tbody>
            {rows.map((p) => {
              const there = p.state === 'up' || !p.incarnation;
              const has = there ? cells(p.node) : {};
              const values = [p.state, p.version, has.clients, has.out, has.cpu, has.memory, there && p.incarnation && took(p.roundTripNanoseconds), there && p.incarnation && bytes(p.queuedBytes)];
              return (
                <tr key={p.incarnation ?? ''} class={there ? 'tone-good' : 'tone-bad'}>
                  <th scope="row"><i class="dot" />{p.node}</th>
                  {values.map((value, i) => <td key={heads[i][0]} class={heads[i][1]} data-name={heads[i][0]}>{value}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Closes({ list }) {
  const now = list.at(-1);
  const first = list[0].by('connections_closed_total', 'reason');
  const rows = [...now.by('connections_closed_total', 'reason')].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const most = rows[0]?.[1] ?? 1;
  return (
    <Card title="Closed connections" note="since the start, by reason">
      {rows.length === 0 && <Empty>No connection has been closed.</Empty>}
      <ul class="bars">
        {rows.map(([reason, n]) => (
          <li key={reason} class={reason === 'Normal' || reason === 'ServiceReload' ? 'tone-good' : 'tone-bad'}>
            <span>{reason}</span><meter min="0" max={most} value={n} aria-label={`${reason}: ${n}`} />
            <b>{count(n)}</b><small class="soft">{n > (first.get(reason) ?? 0) ? `+${count(n - (first.get(reason) ?? 0))}` : ''}</small>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Hubs({ now, before }) {
  const hubs = [...new Set([...now.by('connections', 'hub').keys(), ...now.by('server_connections', 'hub').keys(), ...now.by('hub_info', 'hub').keys()])].filter(Boolean).sort();
  return (
    <Card title="Hubs" note={plural(hubs.length, 'hub')}>
      {hubs.length === 0 ? <Empty>A hub appears with its first client or server.</Empty> : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Hubs">
          <table>
            <thead><tr><th scope="col">Hub</th><th scope="col">Mode</th><th scope="col" class="n">Clients</th><th scope="col" class="n">Servers</th><th scope="col" class="n">Out</th></tr></thead>
            <tbody>
              {hubs.map((hub) => (
                <tr key={hub}>
                  <th scope="row"><a href={`#/explore?hub=${encodeURIComponent(hub)}`}>{hub}</a></th>
                  <td>{now.all('hub_info', { hub })[0]?.labels.mode}</td>
                  <td class="n">{count(now.sum('connections', { hub }))}</td>
                  <td class="n">{count(now.sum('server_connections', { hub }))}</td>
                  <td class="n">{count(rate(now, before, (s) => s.sum('deliveries_written_total', { hub })))}/s</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
