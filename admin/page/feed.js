// The list of events: newest first, bounded, filtered by kind and by text.
import { byId } from './dom.js';
import { row } from './event.js';

const maxEvents = 1000;
const list = byId('events');
const find = byId('find');
const kinds = [...document.querySelectorAll('.chip')];
const counts = new Map();
const events = new WeakMap(); // of rows
const pause = 100; // between two times that rows are added, in ms
const maxAdded = 300; // rows at a time: more than anybody reads, and few enough to keep the page quick
let paused = false;
let waiting = []; // while paused
let arrived = []; // until the next frame

export function add(event) {
  if (event.what === 'present') return;
  if (paused) {
    waiting.push(event);
    waiting.splice(0, waiting.length - maxEvents);
    byId('pause').textContent = `Go on (${waiting.length})`;
    return;
  }
  arrived.push(event);
  if (arrived.length === 1) setTimeout(() => requestAnimationFrame(show), pause);
}

/** Adds what came since the last time, the newest of it if that is much. */
function show() {
  const rows = document.createDocumentFragment();
  miss(arrived.length - maxAdded);
  for (const event of arrived.slice(-maxAdded).reverse()) {
    if (event.lost) miss(event.lost.events);
    const item = row(event, search);
    events.set(item, event);
    count(event.kind, 1);
    item.hidden = !matches(item);
    rows.append(item);
  }
  arrived = [];
  list.prepend(rows);
  while (list.childElementCount > maxEvents) {
    count(list.lastElementChild.dataset.kind, -1);
    list.lastElementChild.remove();
  }
  showEmpty();
}

let missed = 0;

/** Counts events that are not shown. */
function miss(more) {
  if (more <= 0) return;
  missed += more;
  byId('total-missed').parentElement.hidden = false;
  byId('total-missed').textContent = missed.toLocaleString('en');
}

function count(kind, change) {
  counts.set(kind, (counts.get(kind) ?? 0) + change);
  const chip = kinds.find((one) => one.dataset.kind === kind);
  if (chip) chip.querySelector('b').textContent = counts.get(kind);
}

function matches(item) {
  const chip = kinds.find((one) => one.dataset.kind === item.dataset.kind);
  if (chip && !chip.querySelector('input').checked) return false;
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const text = JSON.stringify(events.get(item)).toLowerCase();
  return words.every((word) => text.includes(word));
}

function filter() {
  for (const item of list.children) item.hidden = !matches(item);
  showEmpty();
}

function showEmpty() {
  const any = list.childElementCount > 0;
  const shown = list.querySelector(':scope > :not([hidden])') !== null;
  byId('empty').hidden = shown;
  byId('empty').textContent = any
    ? 'Nothing passes the filter.'
    : 'Nothing has happened since this page was opened. Connect a client, or send something.';
}

/** Shows only what contains the text. */
export function search(text) {
  find.value = text;
  filter();
  find.focus();
}

/** Says which events the address of the page asks for, if it does. */
function showOnly() {
  const wanted = [...new URLSearchParams(location.search)].map(([name, value]) => `${name} ${value}`);
  byId('only').hidden = wanted.length === 0;
  byId('only').firstElementChild.textContent = `Only ${wanted.join(', ')}.`;
}

export function begin() {
  showOnly();
  find.addEventListener('input', filter);
  for (const chip of kinds) chip.addEventListener('change', filter);
  byId('clear').addEventListener('click', () => {
    list.replaceChildren();
    waiting = [];
    for (const kind of counts.keys()) count(kind, -counts.get(kind));
    showEmpty();
  });
  byId('pause').addEventListener('click', () => {
    paused = !paused;
    byId('pause').setAttribute('aria-pressed', paused);
    byId('pause').textContent = 'Pause';
    if (!paused) waiting.splice(0).forEach(add);
    else byId('pause').textContent = 'Go on (0)';
  });
}
