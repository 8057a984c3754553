// Runs the cases of a suite and prints one line for each: "ok NAME", "FAIL NAME: why" or "skip NAME: why".

const oneLine = (text) => String(text).replace(/\s+/g, ' ').slice(0, 600);

export class Report {
  constructor(suite) {
    this.suite = suite;
    this.counts = { ok: 0, FAIL: 0, skip: 0 };
    this.names = new Set();
  }

  line(kind, name, why) {
    const full = `${this.suite} ${name}`;
    if (this.names.has(full)) {
      kind = 'FAIL';
      why = 'two cases have this name';
    }
    this.names.add(full);
    this.counts[kind]++;
    console.log(why === undefined ? `${kind} ${full}` : `${kind} ${full}: ${oneLine(why)}`);
  }

  /** A line that another program printed; it counts if it tells of a case. */
  foreign(line) {
    const kind = /^(ok|FAIL|skip) /.exec(line)?.[1];
    if (kind) this.counts[kind]++;
    console.log(line);
  }

  /** Runs one case; it fails by throwing or by taking longer than `seconds`. */
  async run(name, body, seconds = 180) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000);
    });
    try {
      await Promise.race([body(), late]);
      this.line('ok', name);
    } catch (error) {
      this.line('FAIL', name, process.env.HUBGATE_TRACE ? error?.stack : (error?.message ?? error));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs cases `[name, body, seconds?]`, at most `width` at a time. */
  async runAll(cases, width) {
    const queue = [...cases];
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await this.run(...next);
    };
    await Promise.all(Array.from({ length: width }, worker));
  }

  /** Prints the summary and ends the process: 1 if anything failed or nothing ran. */
  finish() {
    const { ok, FAIL, skip } = this.counts;
    console.log(`${this.suite}: ${ok} passed, ${FAIL} failed, ${skip} skipped`);
    process.exit(FAIL > 0 || ok + skip === 0 ? 1 : 0);
  }
}
