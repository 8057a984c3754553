// A contract against the gateway: schemathesis makes requests from api/openapi.yaml or api/presence.yaml, valid and invalid
// ones, and judges the answers by it.
//
//   node contract.mjs SCHEMATHESIS CONTRACT     (the program, and the path of the contract)
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Gateway } from './lib/gateway.mjs';
import { Report } from './lib/report.mjs';

const [program, contract] = process.argv.slice(2);
const of = basename(contract, '.yaml');
const report = new Report(of === 'openapi' ? 'schemathesis' : `schemathesis ${of}`);
const gateway = await Gateway.start();
const answersFile = join(gateway.folder, 'answers.json');
const args = [
  'run', resolve(contract), '--url', gateway.endpoint, '--seed', '1', '--generation-deterministic', '--max-examples', '25', '--no-color',
  '--checks', 'not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,ignored_auth',
];
const child = spawn(resolve(program), args, {
  cwd: gateway.folder,
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    SCHEMATHESIS_HOOKS: fileURLToPath(new URL('../schemathesis/hooks.py', import.meta.url)),
    HUBGATE_ENDPOINT: gateway.endpoint,
    HUBGATE_KEY: gateway.key,
    HUBGATE_ANSWERS: answersFile,
  },
});
let output = '';
child.stdout.on('data', (chunk) => (output += chunk));
const [status] = await once(child, 'close');
if (status !== 0) console.log(output);

await report.run('no 5xx and no undocumented answer', () => {
  if (status !== 0) throw new Error(`schemathesis ended with ${status}`);
});

// A run whose requests are all refused would conform as well: each operation must have been carried out at least once.
const { answers, refused } = JSON.parse(readFileSync(answersFile, 'utf8'));
await report.run('no good token is refused, whatever is in the path', () => {
  if (refused.length > 0) throw new Error(refused[0]);
});
const operations = [...readFileSync(contract, 'utf8').matchAll(/operationId: (\w+)/g)].map((match) => match[1]);
for (const operation of operations) {
  const seen = answers[operation] ?? {};
  await report.run(`${operation} is carried out`, () => {
    if (!Object.keys(seen).some((code) => code.startsWith('2') || code === '404')) throw new Error(`answers: ${JSON.stringify(seen)}`);
  });
}
await report.run('the gateway lives, without a panic', async () => {
  const code = await gateway.stop();
  if (code !== 0) throw new Error(`ended with ${code}`);
  if (/panic/.test(gateway.log())) throw new Error(`see ${gateway.logFile}`);
});
report.finish();
