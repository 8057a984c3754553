// The list of events: newest first, bounded, filtered by kind and by text.
import { byId } from './dom.js';
import { row } from './event.js';

const maxEvents = 1000;
const list = byId('events');
const find = byId('find');
const kinds = [...document.querySelectorAll('.chip')];
const counts = new Map();
const texts = new WeakMap(); // of a row: what the search looks at
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
  if (arrived.length === 1) requestAnimationFrame(show);
}

/** Adds all that came since the last frame at once. */
function show() {
  const rows = document.createDocumentFragment();
  for (const event of arrived.slice(-maxEvents).reverse()) {
    const item = row(event, search);
    texts.set(item, JSON.stringify(event).toLowerCase());
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

function count(kind, change) {
  counts.set(kind, (counts.get(kind) ?? 0) + change);
  const chip = kinds.find((one) => one.dataset.kind === kind);
  if (chip) chip.querySelector('b').textContent = counts.get(kind);
}

function matches(item) {
  const chip = kinds.find((one) => one.dataset.kind === item.dataset.kind);
  if (chip && !chip.querySelector('input').checked) return false;
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => texts.get(item).includes(word));
}

function filter() {
  for (const item of list.children) item.hidden = !matches(item);
  showEmpty();
}

function showEmpty() {
  const any = list.childElementCount > 0;
  const shown = [...list.children].some((item) => !item.hidden);
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
