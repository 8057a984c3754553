// The metrics of the gateway, read every two seconds, with what they were in the last minutes.
import { signal } from './signal.js';

const every = 2000;
const kept = 150; // five minutes

/** The samples, the oldest first: {time, values} with sums by series. */
export const samples = signal([]);
/** Why the last reading failed, "" if it did not. */
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

export class Sample {
  constructor(series, time) {
    this.time = time;
    this.byName = Map.groupBy?.(series, (s) => s.name) ?? group(series);
  }

  /** The sum of all series of a name whose labels are as wanted. */
  sum(name, wanted = {}) {
    return this.all(name, wanted).reduce((sum, s) => sum + s.value, 0);
  }

  all(name, wanted = {}) {
    const ask = Object.entries(wanted);
    return (this.byName.get(`hubgate_${name}`) ?? this.byName.get(name) ?? []).filter((s) => ask.every(([k, v]) => s.labels[k] === v));
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
  for (const s of series) groups.set(s.name, [...(groups.get(s.name) ?? []), s]);
  return groups;
}

/** By how much a counter grew in a second, between two samples. A counter that began anew has grown from zero. */
export function rate(now, before, read) {
  if (!before) return 0;
  const grown = read(now) - read(before);
  return (grown < 0 ? read(now) : grown) / Math.max((now.time - before.time) / 1000, 0.001);
}

async function read() {
  try {
    const response = await fetch('/metrics');
    if (!response.ok) throw new Error(`the metrics: ${response.status}`);
    const sample = new Sample(parseMetrics(await response.text()), Date.now());
    samples.value = [...samples.value, sample].slice(-kept);
    failure.value = '';
  } catch (error) {
    failure.value = error instanceof TypeError ? 'The gateway does not answer.' : error.message;
  }
}

let timer;

/** Begins to read. */
export function follow() {
  if (timer) return;
  read();
  timer = setInterval(() => document.hidden || read(), every);
}
