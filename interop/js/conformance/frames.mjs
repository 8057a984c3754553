// Plays one frame case on a WebSocket and says what came back.
import WebSocket from 'ws';
import { sleep, until } from '../lib/wait.mjs';

const RS = '\x1e';
const quietTime = 400;
const bound = 20_000;
const probes = {
  text: '{"type":1,"invocationId":"probe","target":"Nothing","arguments":[]}' + RS,
  // [1, {}, "probe", "Nothing", [], []] behind its length
  binary: Buffer.concat([Buffer.from([0x13, 0x96, 0x01, 0x80, 0xa5]), Buffer.from('probe'), Buffer.from([0xa7]), Buffer.from('Nothing'), Buffer.from([0x90, 0x90])]),
};

/** A record in words: "{}" handshake answer, else type, id, and which of result, error and allowReconnect it has. */
export function describe(text) {
  const record = JSON.parse(text);
  const words = [];
  if (record.type === undefined) words.push('{}');
  else words.push(record.invocationId === undefined ? `${record.type}` : `${record.type}:${record.invocationId}`);
  if ('result' in record) words.push('result');
  if ('error' in record) words.push('error');
  if ('allowReconnect' in record) words.push(`allowReconnect=${record.allowReconnect}`);
  return words.join(' ');
}

/** The records of one message; of MessagePack only the handshake answer and the probe's completion are told apart. */
function recordsOf(data, isBinary) {
  if (!isBinary) return data.toString('utf8').split(RS).slice(0, -1).map(describe);
  if (data.toString('latin1') === '{}' + RS) return ['bin:{}'];
  return [data.includes('probe') ? 'bin:3:probe result' : `bin:${data.toString('hex')}`];
}

/** Returns {records, end}: end is a close code, "open" or "quiet". */
export async function play(target, frameCase) {
  const socket = new WebSocket(target.transportUrl(), { headers: target.headers });
  const records = [];
  let code;
  socket.on('message', (data, isBinary) => records.push(...recordsOf(data, isBinary)));
  socket.on('close', (value) => (code = value));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  for (const frame of frameCase.send) socket.send(frame);
  try {
    const wanted = frameCase.expect.length;
    await until('the expected records', () => records.length >= wanted || code !== undefined, bound).catch(() => {});
    if (typeof frameCase.then === 'number') {
      await until('the close', () => code !== undefined, bound).catch(() => {});
    } else if (frameCase.then === 'open' && code === undefined) {
      socket.send(frameCase.binary ? probes.binary : probes.text);
      await until('the probe', () => records.at(-1)?.endsWith('3:probe result') || code !== undefined, bound).catch(() => {});
      if (records.at(-1)?.endsWith('3:probe result')) return { records: records.slice(0, -1), end: 'open' };
      return { records, end: code ?? 'open, but answers no invocation' };
    } else {
      await sleep(quietTime);
    }
    return { records, end: code ?? 'quiet' };
  } finally {
    socket.terminate();
  }
}
