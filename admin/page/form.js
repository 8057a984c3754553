// The form that sends.
import { byId, el, plural } from './dom.js';
import { search } from './feed.js';
import { credentials } from './stream.js';

const form = byId('send');
const fields = form.elements;
const answer = byId('sent');

/** Each line is JSON, or else text, as hubgate send takes its arguments. */
function argumentsOf(text) {
  return text.split('\n').filter((line) => line.trim() !== '').map((line) => {
    try {
      return JSON.parse(line);
    } catch {
      return line;
    }
  });
}

function showName() {
  const to = fields.to.value;
  byId('name-label').hidden = to === 'all';
  byId('name-label').firstElementChild.textContent = { user: 'User id', group: 'Group', connection: 'Connection id' }[to] ?? 'Name';
  fields.name.required = to !== 'all';
}

async function send(submit) {
  submit.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  try {
    const response = await fetch('/inspector/send', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Hubgate-Inspector': '1', ...credentials() },
      body: JSON.stringify({
        hub: fields.hub.value.trim(), to: fields.to.value, name: fields.name.value,
        method: fields.method.value, arguments: argumentsOf(fields.arguments.value),
      }),
    });
    if (!response.ok) throw new Error((await response.text()).trim());
    show(await response.json());
  } catch (error) {
    say('bad', error instanceof TypeError ? 'No connection to the gateway.' : error.message);
  } finally {
    button.disabled = false;
  }
}

function show(sent) {
  if (sent.error) return say('bad', sent.error);
  const find = sent.trace ? el('button', { type: 'button', class: 'value', onclick: () => search(sent.trace) }, 'Show it') : '';
  if (sent.matched === 0) return say('warn', 'Accepted, but nobody is connected there. ', find);
  say('good', `Accepted for ${plural(sent.matched, 'connection')}. `, find);
}

function say(tone, ...parts) {
  answer.dataset.tone = tone;
  answer.replaceChildren(...parts);
}

export function begin() {
  fields.to.addEventListener('change', showName);
  form.addEventListener('submit', send);
  showName();
}
