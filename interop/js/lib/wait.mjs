// Waiting for things that happen, with a bound and a name for what did not happen.

/** Far more than anything takes on a busy machine: a wait that ends by it is a failure, never a measurement. HUBGATE_PATIENCE shortens it. */
export const patience = Number(process.env.HUBGATE_PATIENCE ?? 60_000);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Settles as `promise` does, or rejects naming `what` after `ms`. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Calls `probe` until it answers something truthy, which it returns. */
export async function until(what, probe, ms = patience) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not so after ${ms} ms`);
    await sleep(20);
  }
}

/** A queue whose reader waits: put(value), await next(). */
export class Inbox {
  constructor(what) {
    this.what = what;
    this.values = [];
    this.readers = [];
  }

  put(value) {
    const reader = this.readers.shift();
    if (reader) reader(value);
    else this.values.push(value);
  }

  async next(ms = patience) {
    if (this.values.length > 0) return this.values.shift();
    let reader;
    const value = new Promise((resolve) => {
      reader = resolve;
      this.readers.push(resolve);
    });
    try {
      return await within(ms, this.what, value);
    } catch (error) {
      this.readers = this.readers.filter((r) => r !== reader);
      throw error;
    }
  }
}
