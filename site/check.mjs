// Checks what was built into dist/: nothing is loaded from elsewhere, every link leads somewhere, every page has a
// place in the sidebar, and the questions of questions.md are answered. Prints what is wrong, and then fails.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createMarkdownRenderer } from 'vitepress';
import { labelCells } from './.vitepress/markdown.mjs';
import { sidebar } from './.vitepress/structure.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const base = process.env.SITE_BASE || '/';
const repository = /^https:\/\/github\.com\/hubgate\/hubgate\/(?:blob|tree)\/main\/([^#]*)/;
const faults = [];

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile())
  .map(entry => join(entry.parentPath, entry.name).slice(dist.length + 1).replaceAll('\\', '/'));
const read = file => readFileSync(join(dist, file), 'utf8');
const all = (text, pattern) => [...text.matchAll(pattern)].map(match => match[1]);
const decode = text => text.replace(/&quot;/g, '"').replace(/&#39;/g, "'").replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

// What a page loads by itself. A link that somebody may click is something else.
function resources(file, text) {
  if (file.endsWith('.css')) return [...all(text, /url\(\s*["']?([^"')]+)/g), ...all(text, /@import\s+["']([^"']+)/g)];
  const tags = all(text, /<((?:script|img|source|iframe|video|audio|embed|image|use)\b[^>]*)>/g).concat(all(text, /<(link\b(?![^>]*rel="canonical")[^>]*)>/g));
  const named = tags.flatMap(tag => all(tag, /\b(?:src|srcset|href|poster|data)="([^"]*)"/g).map(decode));
  return [...named, ...all(text, /url\(\s*["']?(?!#)([^"')]+)/g)];
}

// target is the file of dist that a link in a page leads to.
function target(page, path) {
  const whole = path.startsWith('/') ? path : posix.join(base, posix.dirname(page), path);
  if (!whole.startsWith(base)) return null;
  const file = decodeURIComponent(whole.slice(base.length)) || 'index.html';
  return file.endsWith('/') ? file + 'index.html' : file;
}

const pages = new Map();
for (const file of files.filter(file => file.endsWith('.html') && file !== '404.html')) {
  const text = read(file);
  pages.set(file, { text, ids: new Set(all(text, /\bid="([^"]*)"/g).map(decode)), links: all(text, /<a\b[^>]*\bhref="([^"]*)"/g).map(decode), to: new Set() });
}

for (const file of files.filter(file => /\.(html|css|svg)$/.test(file))) {
  for (const one of resources(file, read(file))) {
    if (/^(?:[a-z]+:)?\/\//i.test(one)) faults.push(`${file} loads ${one}`);
    else if (!/^(data:|#)/.test(one) && !existsSync(join(dist, target(file, one.split(/[?#]/)[0]) ?? 'outside'))) faults.push(`${file} loads ${one}, which is not there`);
  }
}

for (const [file, page] of pages) {
  for (const href of page.links) {
    const there = repository.exec(href);
    if (there && !existsSync(join(here, '..', decodeURIComponent(there[1])))) faults.push(`${file} links to ${href}: not in the repository`);
    if (/^[a-z]+:/i.test(href)) continue;
    const [path, anchor] = href.split('#');
    const to = path ? target(file, path) : file;
    if (to && pages.has(to)) page.to.add(to);
    else if (!to || !files.includes(to)) faults.push(`${file} links to ${href}: no such page`);
    if (anchor && pages.has(to) && !pages.get(to).ids.has(decodeURIComponent(anchor))) faults.push(`${file} links to ${href}: no such heading`);
  }
}

const placed = new Set(['index.html']);
for (const { items } of sidebar) for (const { link } of items) placed.add(target('index.html', link.slice(1).split('#')[0].replace(/([^/])$/, '$1.html')));
for (const file of pages.keys()) if (!placed.has(file)) faults.push(`${file} is not in the sidebar`);

// At the foot of a page: who goes to the next page finds this one as the previous page, and one page alone is the last.
const foot = (page, way) => all(page.text, new RegExp(`pager-link ${way}" href="([^"]*)"`, 'g')).map(href => target('index.html', decode(href).split('#')[0]))[0];
const last = [...pages].filter(([file, page]) => file !== 'index.html' && !foot(page, 'next')).map(([file]) => file);
if (last.length !== 1) faults.push(`no next page after ${last.join(', ')}`);
for (const [file, page] of pages) {
  const next = foot(page, 'next');
  if (next && foot(pages.get(next), 'prev') !== file) faults.push(`the page after ${file} is ${next}, before which is ${foot(pages.get(next), 'prev')}`);
}

// How many clicks each page is away from the home page.
const clicks = new Map([['index.html', 0]]);
for (const [file, far] of clicks) for (const to of pages.get(file).to) if (!clicks.has(to)) clicks.set(to, far + 1);

const plain = text => decode(/<main[^]*<\/main>/.exec(text)[0].replace(/<[^>]*>/g, '')).replace(/[\s\u200b]+/g, ' ');
const questions = readFileSync(join(here, 'questions.md'), 'utf8').split('\n').filter(line => /^\| (?!question \|)/.test(line)).map(line => line.slice(2, -2).split(' | '));
if (questions.length < 20) faults.push(`questions.md has only ${questions.length} questions`);
for (const [question, file, phrase] of questions) {
  if (!pages.has(file)) faults.push(`"${question}": there is no page ${file}`);
  else if (!(clicks.get(file) <= 2)) faults.push(`"${question}": ${file} is ${clicks.get(file)} clicks away`);
  else if (!plain(pages.get(file).text).includes(phrase)) faults.push(`"${question}": ${file} does not say "${phrase}"`);
}

// Which tables are cards on a phone: the same ones as in the pages of the program.
const tables = (await createMarkdownRenderer(here, { config: md => md.use(labelCells) }))
  .render(readFileSync(join(here, '../help/testdata/tables.md'), 'utf8')).split('<table').slice(1);
if (tables.length < 10) faults.push(`tables.md has only ${tables.length} tables`);
tables.forEach((table, i) => {
  if (table.includes('>wide</th>') !== table.includes('data-label')) faults.push(`table ${i + 1} of tables.md is not as it says`);
});

for (const fault of faults) console.error(fault);
const links = [...pages.values()].reduce((sum, page) => sum + page.links.length, 0);
console.log(`${pages.size} pages, ${links} links, ${questions.length} questions, farthest page ${Math.max(...clicks.values())} clicks away: ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
