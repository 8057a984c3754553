// Requests to the admin address. Who may make them is decided there: the session is a cookie that no script sees.
import { signal } from './signal.js';

/** Whether somebody has logged in: undefined until it is known, then the name, or null. */
export const session = signal(undefined);

/** The error of a request that was refused. `fields` says which fields of the request are wrong. */
export class Refused extends Error {
  constructor(status, message, fields = []) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** Asks for a path. The answer is JSON, or text if it is not. It is waited for so many milliseconds. */
export async function ask(method, path, body, headers = {}, wait = 60_000) {
  const request = { method, headers: { ...headers }, credentials: 'same-origin', signal: AbortSignal.timeout(wait) };
  if (body !== undefined) {
    request.headers['Content-Type'] ??= 'application/json';
    request.body = typeof body === 'string' ? body : JSON.stringify(body);
  }
  let response;
  let text;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch {
    throw new Refused(0, 'The gateway does not answer.');
  }
  const answer = parse(text);
  if (response.ok) return answer;
  if (response.status === 401 && session.value) session.value = null;
  const error = answer?.error;
  throw new Refused(response.status, error?.message ?? (typeof error === 'string' ? error : text.trim() || response.statusText), error?.details ?? []);
}

export const get = (path, wait) => ask('GET', path, undefined, {}, wait);
export const post = (path, body = {}) => ask('POST', path, body);

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export async function findSession() {
  try {
    session.value = (await get('/api/session')).name;
  } catch (error) {
    session.value = null;
    if (error.status !== 401) throw error;
  }
}

export async function login(token) {
  await post('/api/login', { token: token.trim() });
  await findSession();
}

export async function logout() {
  await ask('POST', '/api/logout', {});
  session.value = null;
}
