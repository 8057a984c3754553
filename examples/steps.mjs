// Reads pages of docs/ whose code is to be run: a block of code whose first line names something is meant for a check.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lab.mjs';

// steps are the numbered sections of a page: their text, and the blocks that say which file they are (```js NAME) or
// belong to (```js + NAME), in their order.
export function steps(page) {
  const found = new Map();
  for (const [, number, text] of readFileSync(join(root, 'docs', page), 'utf8').matchAll(/^## (\d)\. ([^]*?)(?=^## )/gm)) {
    const blocks = [...text.matchAll(/^```(\w+) (\+ )?(\S.*)\n([^]*?)^```/gm)];
    found.set(Number(number), { text, blocks: blocks.map(([, language, append, file, code]) => ({ language, append, file, code })) });
  }
  return found;
}

// writeFiles makes the files of a step in a folder. Blocks for the shell are no files. change may change what is in them.
export function writeFiles(step, folder, change = code => code) {
  for (const { language, append, file, code } of step.blocks) {
    if (language !== 'sh') (append ? appendFileSync : writeFileSync)(join(folder, file), change(code));
  }
}

// words takes a command line apart as a shell would, as far as the pages need it.
export const words = line => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word);
