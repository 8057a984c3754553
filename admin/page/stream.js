// The stream of events. It is read with fetch, since an EventSource cannot carry a token.

const minPause = 500;
const maxPause = 15_000;
const silence = 45_000; // three signs of life

let current = null; // the stream that is read

/** Reads the stream anew: it begins with all who are connected. */
export const again = () => current?.abort('again');

let token = sessionStorage.getItem('token') ?? '';

export function setToken(text) {
  token = text.trim();
  sessionStorage.setItem('token', token);
}

/** Headers for requests of this page. */
export const credentials = () => (token ? { Authorization: `Bearer ${token}` } : {});

/**
 * Follows the stream for ever. on.event gets each event, on.begin is called at the beginning of each stream,
 * on.state gets live, waiting (with a text) or token.
 */
export async function follow(on) {
  let pause = minPause;
  for (;;) {
    try {
      await once(on, () => (pause = minPause));
    } catch (error) {
      if (error.status === 401) {
        await new Promise((resolve) => on.state('token', error.message, resolve));
        continue;
      }
      on.state('waiting', error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, pause / 2 + Math.random() * pause));
    pause = Math.min(2 * pause, maxPause);
  }
}

async function once(on, begun) {
  const abort = new AbortController();
  current = abort;
  let timer = setTimeout(() => abort.abort(), silence);
  try {
    const response = await fetch('/watch' + location.search, { headers: credentials(), signal: abort.signal });
    if (!response.ok) throw Object.assign(new Error((await response.text()).trim()), { status: response.status });
    begun();
    on.begin();
    on.state('live', 'live');
    for await (const [name, data] of records(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), silence);
      if (name === 'end') throw new Error('the gateway shuts down');
      if (data) on.event(JSON.parse(data));
    }
    throw new Error('the connection is lost');
  } catch (error) {
    if (error === 'again') throw new Error('reading again who is connected');
    if (error.name === 'AbortError') throw new Error('the gateway is silent');
    if (error instanceof TypeError) throw new Error('no connection to the gateway');
    throw error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** The records of Server-Sent Events as [name, data]; signs of life have neither. */
async function* records(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      let name = '';
      let data = '';
      for (const line of part.split('\n')) {
        if (line.startsWith('event: ')) name = line.slice(7);
        if (line.startsWith('data: ')) data += line.slice(6);
      }
      yield [name, data];
    }
  }
}
