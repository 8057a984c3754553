// What is set, with where it comes from, and what it was before.
import { useState } from 'preact/hooks';
import { ask, get, post } from '../api.js';
import { date, pretty } from '../format.js';
import { Action, Card, Empty, Facts, Field, Form, Missing, useAsked } from '../ui.jsx';

const modes = ['Default', 'Serverless', 'Classic'];
const requests = ['ClientConnection', 'ServerConnection', 'RESTAPI', 'Trace'];

export function Settings() {
  const now = useAsked(() => get('/api/settings'), []);
  const [said, say] = useState({});
  const version = now.value;
  if (now.error || !version) return <Missing asked={now} what="the settings" />;
  const again = () => { say({}); now.again(); };
  // A form names the revision that it was filled in with: a change that somebody else made meanwhile is not undone.
  const change = async (patch, note) => {
    const headers = { 'Content-Type': 'application/merge-patch+json', 'If-Match': `"${version.revision}"` };
    try {
      await ask('PATCH', `/api/settings?${new URLSearchParams({ note })}`, { properties: patch }, headers);
    } catch (error) {
      if (error.status === 412) error.message += ': load this page again to see how';
      throw error;
    }
    again();
    say({ [note]: 'In force.' }); // the form is made anew with the next revision
  };
  const shared = { said, properties: version.document.properties ?? {}, sources: version.sources ?? {}, change };
  return (
    <div class="stack">
      <p class="soft">Revision {version.revision}{version.by && <>, by {version.by}</>}{version.time && <>, {date(version.time)}</>}{version.note && <> – {version.note}</>}. What is not set here is that of the gateway's configuration.</p>
      <div class="grid wide" key={version.revision}>
        <Mode {...shared} />
        <Upstreams {...shared} />
        <Origins {...shared} />
        <Network {...shared} />
        <Rules {...shared} />
        <Timers {...shared} />
      </div>
      <Everything key={`all ${version.revision}`} version={version} change={change} said={said} />
      <Import again={again} />
      <History current={version.revision} again={again} />
    </div>
  );
}

const flagOf = (properties, flag) => properties.features?.find((f) => f.flag.toLowerCase() === flag.toLowerCase())?.value;

/** The features with one of them changed: a merge patch replaces lists. */
function withFlag(properties, flag, value) {
  return [...(properties.features ?? []).filter((f) => f.flag.toLowerCase() !== flag.toLowerCase()), { flag, value }];
}

function Mode({ properties, change, said }) {
  const mode = flagOf(properties, 'ServiceMode') ?? '';
  return (
    <Card title="Service mode">
      <Form submit="Change" done={said['service mode']} onSubmit={({ mode: value }) => change({ features: withFlag(properties, 'ServiceMode', value) }, 'service mode')}>
        <Field label="Mode" hint="Clients of the wrong kind are closed and reconnect.">
          {(f) => <select {...f} name="mode" defaultValue={modes.find((m) => m.toLowerCase() === mode.toLowerCase())}>{modes.map((m) => <option key={m} selected={m.toLowerCase() === mode.toLowerCase()}>{m}</option>)}</select>}
        </Field>
      </Form>
    </Card>
  );
}

const emptyTemplate = { urlTemplate: '', hubPattern: '*', categoryPattern: '*', eventPattern: '*' };

function Upstreams({ properties, change, said }) {
  const [list, setList] = useState(properties.upstream?.templates ?? []);
  const edit = (i, name, value) => setList(list.map((t, at) => (at === i ? { ...t, [name]: value } : t)));
  const move = (i, by) => setList(list.map((t, at) => (at === i ? list[i + by] : at === i + by ? list[i] : t)));
  return (
    <Card title="Upstreams" note="the first that matches is called" class="two">
      <Form submit="Change" done={said.upstreams} onSubmit={() => change({ upstream: { templates: list } }, 'upstreams')}>
        {list.length === 0 && <Empty>No webhook is called.</Empty>}
        {list.map((t, i) => (
          <fieldset key={i}>
            <legend>{i + 1}</legend>
            <Field label="URL" hint="Secrets in it are masked; a masked text that is not changed stays what it is.">{(f) => <input {...f} required value={t.urlTemplate} onInput={(e) => edit(i, 'urlTemplate', e.target.value)} spellcheck={false} />}</Field>
            <div class="three">
              {[['hubPattern', 'Hubs'], ['categoryPattern', 'Categories'], ['eventPattern', 'Events']].map(([name, label]) => (
                <Field key={name} label={label}>{(f) => <input {...f} value={t[name] ?? '*'} onInput={(e) => edit(i, name, e.target.value)} spellcheck={false} />}</Field>
              ))}
            </div>
            <div class="row">
              <button type="button" disabled={i === 0} onClick={() => move(i, -1)} aria-label={`Move upstream ${i + 1} up`}>Up</button>
              <button type="button" disabled={i === list.length - 1} onClick={() => move(i, 1)} aria-label={`Move upstream ${i + 1} down`}>Down</button>
              <button type="button" onClick={() => setList(list.filter((_, at) => at !== i))} aria-label={`Remove upstream ${i + 1}`}>Remove</button>
            </div>
          </fieldset>
        ))}
        <div class="row"><button type="button" onClick={() => setList([...list, emptyTemplate])}>Add an upstream</button></div>
      </Form>
    </Card>
  );
}

/** The lines of a text that are not empty. */
const linesOf = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

function Origins({ properties, change, said }) {
  return (
    <Card title="Origins (CORS)">
      <Form submit="Change" done={said.CORS} onSubmit={({ origins }) => change({ cors: { allowedOrigins: linesOf(origins) } }, 'CORS')}>
        <Field label="Allowed origins" hint="One on each line; * is any.">{(f) => <textarea {...f} name="origins" rows="3" defaultValue={(properties.cors?.allowedOrigins ?? []).join('\n')} spellcheck={false} />}</Field>
      </Form>
    </Card>
  );
}

/** Words of the document are the same in any letter case. */
const same = (a, b) => a?.toLowerCase() === b?.toLowerCase();

function Network({ properties, change, said }) {
  const acls = properties.networkACLs ?? {};
  const among = (list, kind) => (list ?? []).some((one) => same(one, kind));
  // Which list counts depends on what happens otherwise. A form writes both, so that they say the same.
  const letsIn = (kind) => (same(acls.defaultAction, 'Deny') ? among(acls.publicNetwork?.allow, kind) : !among(acls.publicNetwork?.deny, kind));
  const submit = (v) => change({
    publicNetworkAccess: v.public,
    networkACLs: {
      defaultAction: v.default,
      publicNetwork: { allow: requests.filter((r) => v[r] === 'on'), deny: requests.filter((r) => v[r] !== 'on') },
      ipRules: linesOf(v.rules).map((line) => { const [action, value] = line.split(/\s+/); return { action, value }; }),
    },
  }, 'network rules');
  return (
    <Card title="Network rules">
      <Form submit="Change" done={said['network rules']} onSubmit={submit}>
        <div class="pair">
          <Field label="Access">{(f) => <select {...f} name="public">{['Enabled', 'Disabled'].map((v) => <option key={v} selected={same(v, properties.publicNetworkAccess)}>{v}</option>)}</select>}</Field>
          <Field label="Otherwise">{(f) => <select {...f} name="default">{['Allow', 'Deny'].map((v) => <option key={v} selected={same(v, acls.defaultAction)}>{v}</option>)}</select>}</Field>
        </div>
        <fieldset><legend>Allowed requests</legend>
          <div class="row wrap">{requests.map((r) => <label class="check" key={r}><input type="checkbox" name={r} defaultChecked={letsIn(r)} /> {r}</label>)}</div>
        </fieldset>
        <Field label="Addresses" hint="One rule on each line: Allow 10.0.0.0/8">{(f) => <textarea {...f} name="rules" rows="3" defaultValue={(acls.ipRules ?? []).map((r) => `${r.action} ${r.value}`).join('\n')} spellcheck={false} />}</Field>
      </Form>
    </Card>
  );
}

/** Numbers that may be empty. */
const numberOf = (text) => (text === '' ? null : Number(text));

function Rules({ properties, change, said }) {
  const wall = properties.applicationFirewall ?? {};
  const submit = (v) => {
    let firewall;
    try {
      firewall = { clientConnectionCountRules: JSON.parse(v.counts), clientTrafficControlRules: JSON.parse(v.traffic), maxClientConnectionLifetimeInSeconds: numberOf(v.lifetime) };
    } catch (error) {
      throw new Error(`The rules are no JSON: ${error.message}`);
    }
    return change({ applicationFirewall: firewall }, 'rules');
  };
  return (
    <Card title="Rules for clients">
      <Form submit="Change" done={said.rules} onSubmit={submit}>
        <Field label="Connection counts" hint={'[{"type": "ThrottleByUserIdRule", "maxCount": 5}]'}>{(f) => <textarea {...f} name="counts" rows="3" defaultValue={pretty(wall.clientConnectionCountRules ?? [])} spellcheck={false} />}</Field>
        <Field label="Traffic" hint={'[{"type": "TrafficThrottleByUserIdRule", "maxInboundMessageBytes": 1000000}]'}>{(f) => <textarea {...f} name="traffic" rows="3" defaultValue={pretty(wall.clientTrafficControlRules ?? [])} spellcheck={false} />}</Field>
        <Field label="Longest life of a connection, in seconds" hint="Empty or 0 is no bound.">{(f) => <input {...f} name="lifetime" type="number" min="0" defaultValue={wall.maxClientConnectionLifetimeInSeconds ?? ''} />}</Field>
      </Form>
    </Card>
  );
}

function Timers({ properties, change, said }) {
  const timers = properties.serverless ?? {};
  const submit = (v) => change({
    serverless: { keepAliveIntervalInSeconds: numberOf(v.keepAlive), connectionTimeoutInSeconds: numberOf(v.timeout) },
    disableLocalAuth: v.noKeys === 'on',
  }, 'timers and keys');
  return (
    <Card title="Timers and sign-in">
      <Form submit="Change" done={said['timers and keys']} onSubmit={submit}>
        <div class="pair">
          <Field label="Keep-alive, seconds">{(f) => <input {...f} name="keepAlive" type="number" min="1" max="120" defaultValue={timers.keepAliveIntervalInSeconds ?? ''} />}</Field>
          <Field label="Timeout, seconds">{(f) => <input {...f} name="timeout" type="number" min="1" max="120" defaultValue={timers.connectionTimeoutInSeconds ?? ''} />}</Field>
        </div>
        <label class="check"><input type="checkbox" name="noKeys" defaultChecked={properties.disableLocalAuth === true} /> No tokens of access keys</label>
      </Form>
    </Card>
  );
}

function Everything({ version, change, said }) {
  return (
    <Card title="Everything that is set">
      <Form submit="Change" done={said['as text']} onSubmit={async ({ text }) => {
        let wanted;
        try {
          wanted = JSON.parse(text);
        } catch (error) {
          throw new Error(`This is no JSON: ${error.message}`);
        }
        if (!isObject(wanted)) throw new Error('The properties are an object: {…}');
        return change(replacing(version.set.properties ?? {}, wanted), 'as text');
      }}>
        <Field label="Properties, as JSON" hint="In the shape of Azure's resource Microsoft.SignalRService/SignalR. What you take out is that of the configuration again.">
          {(f) => <textarea {...f} name="text" rows="12" defaultValue={pretty(version.set.properties ?? {})} spellcheck={false} />}
        </Field>
      </Form>
      <details class="pad"><summary>In force, with the values of the configuration</summary><pre tabIndex={0}>{pretty(version.document)}</pre></details>
    </Card>
  );
}

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);

/** A merge patch that makes `wanted` of `have`. Features are merged by flag: one that is not wanted any more has the value null. */
function replacing(have, wanted) {
  const patch = { ...wanted };
  for (const [key, old] of Object.entries(have)) {
    if (!(key in wanted)) patch[key] = null;
    else if (isObject(old) && isObject(wanted[key])) patch[key] = replacing(old, wanted[key]);
    else if (key === 'features' && Array.isArray(wanted[key])) patch[key] = [...wanted[key], ...without(old, wanted[key])];
  }
  return patch;
}

const without = (old, wanted) => old.filter((f) => !wanted.some((w) => same(w.flag, f.flag))).map(({ flag }) => ({ flag, value: null }));

function Import({ again }) {
  return (
    <Card title="Import">
      <Form submit="Import" onSubmit={async ({ text }) => {
        const { version, ignored } = await post('/api/import?note=import', text);
        again();
        return `Revision ${version.revision} is in force.${ignored.length ? ` Without effect: ${ignored.join(', ')}.` : ''}`;
      }}>
        <Field label="A template of Azure (ARM, JSON), or the emulator's settings.json">{(f) => <textarea {...f} name="text" rows="4" required spellcheck={false} />}</Field>
      </Form>
    </Card>
  );
}

function History({ current, again }) {
  const list = useAsked(() => get('/api/settings/history'), [current]);
  const versions = [...(list.value?.versions ?? [])].sort((a, b) => b.revision - a.revision);
  return (
    <Card title="History" note={list.value && `the last ${list.value.kept} versions are kept`}>
      {(list.error || !list.value) && <Missing asked={list} what="the history" />}
      <ol class="events history">
        {versions.map((v) => (
          <li class="event" key={v.revision}>
            <details>
              <summary><span class="kind">{v.revision}</span><time dateTime={v.time}>{v.time && !v.time.startsWith('0001') ? date(v.time) : ''}</time><span class="title"><b>{v.note || (v.revision === 1 ? 'the configuration' : 'a change')}</b> {(v.changes ?? []).map((c) => c.path).join(', ')}</span><span class="result">{v.revision === current ? 'in force' : ''}</span><span class="about">{v.by && <span>{v.by}</span>}</span></summary>
              <div class="body">
                {(v.changes ?? []).length === 0 && <p class="soft">Nothing changed.</p>}
                <Facts list={(v.changes ?? []).map((c) => [c.path, <><del>{pretty(c.before ?? 'not set')}</del> <ins>{pretty(c.after ?? 'not set')}</ins></>])} />
                {v.revision !== current && <Action confirm={`Go back to revision ${v.revision}?`} onAct={async () => { await post('/api/settings/rollback', { revision: v.revision, note: `back to revision ${v.revision}` }); again(); }}>Go back to this</Action>}
              </div>
            </details>
          </li>
        ))}
      </ol>
    </Card>
  );
}
