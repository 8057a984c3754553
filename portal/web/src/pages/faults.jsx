// Faults that are injected into hubs that are marked for it.
import { useState } from 'preact/hooks';
import { ask, get, post } from '../api.js';
import { count, date, percent } from '../format.js';
import { Action, Card, Empty, Field, Form, Missing, useAsked } from '../ui.jsx';
import { HubField } from './explore.jsx';

const kinds = [
  ['drop', 'lose messages to clients'], ['delay', 'deliver messages later'], ['cut', 'break connections without a word'],
  ['close', 'close connections'], ['negotiate', 'refuse clients that negotiate'], ['webhook', 'slow webhooks down'],
];

export function Faults() {
  const list = useAsked(() => get('/api/faults'), []);
  const [hub, setHub] = useState('');
  const [kind, setKind] = useState('drop');
  const faults = list.value?.faults ?? [];
  const delays = kind === 'delay' || kind === 'webhook';
  const repeats = kind === 'cut' || kind === 'close';
  const set = async (v) => {
    await post('/api/faults', { hub, kind, share: Number(v.share) / 100, delay: v.delay ?? '', every: v.every ?? '', for: repeats && !v.every ? '' : v.for });
    list.again();
    return 'Injected.';
  };
  return (
    <div class="columns">
      <Card title="In force" tools={<button type="button" onClick={list.again}>Refresh</button>}>
        {(list.error || !list.value) && <Missing asked={list} what="the faults" />}
        {(list.value?.missing ?? []).map((n) => <p key={n.node} class="warn pad" role="status">Node {n.node} is not counted: {n.error}.</p>)}
        {list.value && faults.length === 0 && <Empty>No fault is injected.</Empty>}
        {faults.length > 0 && (
          <div class="scroll"><table class="cards"><thead><tr><th scope="col">Hub</th><th scope="col">Kind</th><th scope="col" class="n">Share</th><th scope="col">How</th><th scope="col">Until</th><th scope="col">By</th><th scope="col" class="n">Hits</th><th scope="col"><span class="unseen">Do</span></th></tr></thead>
            <tbody>{faults.map((f) => (
              <tr key={f.hub + f.kind}><th scope="row">{f.hub}</th><td data-name="Kind">{f.kind}</td><td class="n" data-name="Share">{percent(f.share)}</td><td data-name="How">{f.delay || (f.every && `every ${f.every}`)}</td><td data-name="Until">{date(f.until)}</td><td data-name="By">{f.by}</td><td class="n" data-name="Hits">{count(f.hits)}{f.nodes?.length > 1 && <small class="shares">{f.nodes.map((n) => <span key={n.node}>{n.node} {count(n.hits)}</span>)}</small>}</td>
                <td class="do"><Action onAct={async () => { await ask('DELETE', `/api/faults?${new URLSearchParams({ hub: f.hub, kind: f.kind })}`); list.again(); }}>End</Action></td></tr>
            ))}</tbody></table></div>
        )}
      </Card>
      <Card title="Inject a fault">
        <Form submit="Inject" onSubmit={set}>
          <HubField value={hub} onChange={setHub} />
          <Field label="What happens" hint="Only in hubs that are marked: --faults-hub">{(f) => <select {...f} value={kind} onChange={(e) => setKind(e.target.value)}>{kinds.map(([name, text]) => <option key={name} value={name}>{name}: {text}</option>)}</select>}</Field>
          <Field label="Share, percent">{(f) => <input {...f} name="share" type="number" min="0.1" max="100" step="any" defaultValue="100" required />}</Field>
          {delays && <Field label="Delay">{(f) => <input {...f} name="delay" defaultValue="500ms" required />}</Field>}
          {repeats && <Field label="Again every" hint="Empty: once, at once.">{(f) => <input {...f} name="every" placeholder="10s" />}</Field>}
          <Field label="For" hint="At most 1h.">{(f) => <input {...f} name="for" defaultValue="5m" />}</Field>
        </Form>
      </Card>
    </div>
  );
}
