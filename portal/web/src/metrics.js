// The metrics of all nodes, read every two seconds, with what they were in the last minutes.
import { get, session } from './api.js';
import { signal } from './signal.js';

const every = 2000;
const wait = 5000; // for an answer: until then, what is shown is old
const kept = 150; // five minutes

/** The samples of all nodes, the oldest first. */
export const samples = signal([]);
/** Why the last reading failed, or which nodes it misses; "" if all is there. */
export const failure = signal('');

/** Reads Prometheus' text: a list of {name, labels, value}. */
export function parseMetrics(text) {
  const series = [];
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    }
    series.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return series;
}

/** What some nodes had at a moment. `nodes` are their series, by the node's name and then by that of the series. */
export class Sample {
  constructor(time, nodes) {
    this.time = time;
    this.nodes = nodes;
  }

  /** The sample of one node, or of all if there is no name. */
  of(node) {
    if (node === undefined) return this;
    return new Sample(this.time, new Map(this.nodes.has(node) ? [[node, this.nodes.get(node)]] : []));
  }

  /** The sum of all series of a name whose labels are as wanted. */
  sum(name, wanted = {}) {
    return this.all(name, wanted).reduce((sum, s) => sum + s.value, 0);
  }

  all(name, wanted = {}) {
    const ask = Object.entries(wanted);
    return [...this.nodes.values()].flatMap((byName) => byName.get(`hubgate_${name}`) ?? byName.get(name) ?? [])
      .filter((s) => ask.every(([k, v]) => s.labels[k] === v));
  }

  /** Sums by the value of a label. */
  by(name, label) {
    const sums = new Map();
    for (const s of this.all(name)) sums.set(s.labels[label], (sums.get(s.labels[label]) ?? 0) + s.value);
    return sums;
  }
}

function group(series) {
  const groups = new Map();
  for (const s of series) {
    if (!groups.has(s.name)) groups.set(s.name, []);
    groups.get(s.name).push(s);
  }
  return groups;
}

/**
 * By how much counters grew in a second, between two samples. Those of a node that began anew have grown from zero; those
 * of a node that has just come, or come back, have not grown.
 */
export function rate(now, before, read) {
  if (!before) return 0;
  let grown = 0;
  for (const node of now.nodes.keys()) {
    if (!before.nodes.has(node)) continue;
    const [next, last] = [read(now.of(node)), read(before.of(node))];
    grown += next < last ? next : next - last;
  }
  return grown / Math.max((now.time - before.time) / 1000, 0.001);
}

let reading = false;

async function read() {
  if (reading || !session.value) return;
  reading = true;
  try {
    const { nodes } = await get('/api/nodes/metrics', wait);
    const there = nodes.filter((n) => !n.error);
    samples.value = [...samples.value, new Sample(Date.now(), new Map(there.map((n) => [n.node, group(parseMetrics(n.metrics))])))].slice(-kept);
    failure.value = nodes.filter((n) => n.error).map((n) => `Not counted: node ${n.node || 'here'}: ${n.error}.`).join(' ');
  } catch (error) {
    failure.value = error.message;
  } finally {
    reading = false;
  }
}

let timer;

/** Begins to read. */
export function follow() {
  if (timer) return;
  read();
  timer = setInterval(() => document.hidden || read(), every);
}
