// The form that sends a message to clients.
import { useState } from 'preact/hooks';
import { post } from './api.js';
import { plural } from './format.js';
import { Field, Form } from './ui.jsx';

const targets = [['all', 'everybody'], ['user', 'a user'], ['group', 'a group'], ['connection', 'a connection']];

/** What was typed as arguments: one on each line, JSON or plain words. */
export const argumentsOf = (text) => text.split('\n').filter((line) => line.trim()).map((line) => {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
});

export function SendForm({ hub, target, onTarget }) {
  const [method, setMethod] = useState('newMessage');
  const send = async (v) => {
    const sent = await post('/api/send', { hub, to: v.to, name: v.name ?? '', method, arguments: argumentsOf(v.arguments) });
    if (sent.error) throw new Error(sent.error);
    return `Accepted for ${plural(sent.matched, 'connection')}.`;
  };
  return (
    <Form onSubmit={send} submit="Send">
      <Field label="To">
        {(f) => <select {...f} name="to" value={target.to} onChange={(e) => onTarget({ to: e.target.value, name: '' })}>{targets.map(([value, text]) => <option key={value} value={value}>{text}</option>)}</select>}
      </Field>
      {target.to !== 'all' && <Field label={`Which ${target.to}`}>{(f) => <input {...f} name="name" required value={target.name} onInput={(e) => onTarget({ ...target, name: e.target.value })} />}</Field>}
      <Field label="Method">{(f) => <input {...f} name="method" required value={method} onInput={(e) => setMethod(e.target.value)} />}</Field>
      <Field label="Arguments" hint="One on each line: JSON, or plain words.">{(f) => <textarea {...f} name="arguments" rows="3" defaultValue="hello" />}</Field>
    </Form>
  );
}
