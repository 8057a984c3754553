// How values are shown.

const units = ['', 'k', 'M', 'G', 'T'];

export function count(n) {
  if (!Number.isFinite(n)) return '–';
  let unit = 0;
  while (Math.abs(n) >= 1000 && unit < units.length - 1) { n /= 1000; unit++; }
  return (unit || n % 1 ? n.toFixed(n < 10 ? 1 : 0) : String(n)).replace(/\.0$/, '') + units[unit];
}

export function bytes(n) {
  let unit = 0;
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  while (n >= 1024 && unit < names.length - 1) { n /= 1024; unit++; }
  return `${n.toFixed(unit && n < 10 ? 1 : 0)} ${names[unit]}`;
}

export const percent = (n) => `${(100 * n).toFixed(n < 0.1 ? 1 : 0)} %`;

export const plural = (n, one) => `${count(n)} ${one}${n === 1 ? '' : 's'}`;

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export const time = (text) => clock.format(new Date(text));
export const date = (text) => day.format(new Date(text));

export function took(nanoseconds = 0) {
  const ms = nanoseconds / 1e6;
  return ms < 1 ? '<1 ms' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function since(text) {
  const s = Math.max(0, (Date.now() - new Date(text)) / 1000);
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

/** JSON with line breaks, anything else as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(typeof text === 'string' ? JSON.parse(text) : text, null, 2);
  } catch {
    return String(text);
  }
}

export const short = (text, most = 14) => (text.length > most ? text.slice(0, most - 1) + '…' : text);
