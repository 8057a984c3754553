// What pages need to be the same here as on GitHub: anchors of headings, and links that leave docs/.
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const github = 'https://github.com/hubgate/hubgate';

// githubSlug makes of a heading the anchor that GitHub gives it.
export function githubSlug(heading) {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-');
}

// outside is the address on GitHub of a file that is not in docs/, or null for a link that stays there.
// A file that does not exist is an error: it ends the build.
export function outside(page, href) {
  if (/^([a-z]+:|#|\/)/i.test(href)) return null;
  const [path, anchor] = href.split('#');
  const file = normalize(join('docs', dirname(page), path));
  if (file === 'docs' || file.startsWith('docs/')) return null;
  const full = join(repository, file);
  if (relative(repository, full).startsWith('..') || !existsSync(full)) {
    throw new Error(`docs/${page} links to ${href}: there is no such file`);
  }
  const kind = statSync(full).isDirectory() ? 'tree' : 'blob';
  return `${github}/${kind}/main/${file.replace(/\/$/, '')}${anchor ? '#' + anchor : ''}`;
}

// leaveDocs is a rule for markdown-it. It runs before the one of VitePress, which takes what is an address by now as one.
export function leaveDocs(md) {
  md.core.ruler.push('leave-docs', state => {
    for (const block of state.tokens) {
      for (const token of block.children ?? []) {
        if (token.type !== 'link_open') continue;
        const href = token.attrGet('href');
        const there = outside(state.env.relativePath, href);
        if (there) token.attrSet('href', there);
        else token.attrSet('href', href.replace(/(^|\/)README\.md(?=#|$)/, '$1index.md'));
      }
    }
  });
}

// breakLongNames lets names of metrics and options break at their parts, so that a table needs less width. Short ones stay
// in one line.
export function breakLongNames(md) {
  const render = md.renderer.rules.code_inline;
  md.renderer.rules.code_inline = (tokens, i, ...rest) => {
    const html = render(tokens, i, ...rest);
    return tokens[i].content.length < 20 ? html.replace('<code', '<code class="short"') : html.replace(/([_./=?](?=\w)|[a-z](?=[A-Z]))(?![^<]*>)/g, '$1<wbr>');
  };
}

// labelCells tells the cells of a wide table what their columns are called: on a phone its rows are cards. Wide is one
// with three columns or more, and a row that is longer than a line there. The pages in the program have the same rule
// (help/testdata/tables.md). Tags are not seen.
export function labelCells(md) {
  const seen = one => {
    switch (one.type) {
      case 'html_inline': return one.content.startsWith('<br') ? ' ' : '';
      case 'text': return one.content.replace(/&#?\w+;/g, md.utils.unescapeAll); // VitePress keeps entities
      default: return one.content;
    }
  };
  const text = token => token.children.map(seen).join('').trim();
  md.core.ruler.push('label-cells', state => {
    let names, cells, row, longest;
    state.tokens.forEach((token, i) => {
      switch (token.type) {
        case 'table_open': [names, cells, longest] = [[], [], 0]; break;
        case 'th_open': names.push(text(state.tokens[i + 1])); break;
        case 'tr_open': row = []; break;
        case 'td_open':
          row.push(text(state.tokens[i + 1]));
          cells.push([token, names[row.length - 1]]);
          longest = Math.max(longest, [...row.join(' ').replace(/\s+/g, ' ')].length);
          break;
        case 'table_close':
          if (names.length > 2 && longest > 60) for (const [cell, name] of cells) cell.attrSet('data-label', name);
      }
    });
  });
}

// forSearch is the text of a page as the search knows it: by headings, each of which is a result of its own.
export function forSearch(page, text) {
  switch (page) {
    case 'index.md': case 'README.md': // a list of all pages, which are found themselves
      return '';
    case 'compatibility.md': // a table of test names, which would be found for every word
      return '# Compatibility';
    case 'errors.md': // each reason is a row of a table
      return text
        .replace(/^## <a id="([^"]+)"><\/a>(.*)$/gm, '## $2 {#$1}')
        .replace(/^\| <a id="([^"]+)"><\/a>`?([^`|]+?)`? \| (.*) \|$/gm, '\n### $2 {#$1}\n\n$3\n');
  }
  return text;
}
