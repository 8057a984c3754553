// Invocations that never pause, with a book that says what became of each.
import { until } from '../lib/wait.mjs';

let streams = 0;

/**
 * Has a client invoke EchoBack with a new text every few milliseconds, whether or not the last one has been answered.
 * The hub sends each text back before it answers, so the book tells a call that ran twice from one that did not run.
 */
export class Traffic {
  constructor(client, ms) {
    this.client = client;
    this.name = `${++streams}`;
    this.invoked = 0;
    this.open = 0;
    this.failed = new Map(); // text -> error
    client.inbox('echo');
    this.timer = setInterval(() => this.invoke(), ms);
  }

  invoke() {
    const text = `${this.name}/${this.invoked++}`;
    this.open++;
    this.client.connection.invoke('EchoBack', text).catch((error) => this.failed.set(text, error.message)).finally(() => this.open--);
  }

  /** Ends it; resolves to what went wrong: calls that failed, ran twice, did not run, or were never answered. */
  async stop() {
    clearInterval(this.timer);
    const wrong = [];
    await until('every call is answered', () => this.open === 0).catch(() => wrong.push(`${this.name}: ${this.open} calls of ${this.invoked} unanswered`));
    const runs = new Map();
    for (const [text] of this.client.inbox('echo').values.splice(0)) runs.set(text, (runs.get(text) ?? 0) + 1);
    for (let i = 0; i < this.invoked; i++) {
      const text = `${this.name}/${i}`;
      const [count, error] = [runs.get(text) ?? 0, this.failed.get(text)];
      if (error !== undefined) wrong.push(`${text} failed, ran ${count} times: ${error}`);
      else if (count !== 1) wrong.push(`${text} ran ${count} times`);
    }
    return wrong;
  }
}
