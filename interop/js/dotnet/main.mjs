// .NET peers: a .NET client and the conformance cases at ASP.NET Core SignalR itself, the same client behind hubgate (HUBGATE_BIN), and
// where the official packages are to be had the cases of the suite "default" with hub servers on Microsoft.Azure.SignalR, and its Management SDK.
//
//   node dotnet/main.mjs
//
// HUBGATE_DOTNET_HOST is the dotnet command, HUBGATE_DOTNET_OUT the folder of the built programs, HUBGATE_HUBSERVER the hub server that
// the client meets behind hubgate. HUBGATE_DOTNET_MISSING says why the official packages are not there; empty if they are.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { HubServer } from '../default/hubserver.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { Report } from '../lib/report.mjs';
import { manageCases } from './manage.mjs';

const { HUBGATE_DOTNET_HOST: host, HUBGATE_DOTNET_OUT: out, HUBGATE_DOTNET_MISSING: missing } = process.env;
const program = (name) => [host, `${out}/${name}/${name}.dll`];
const script = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const report = new Report('dotnet');

/** Runs a program that prints cases, and counts them as ours. */
async function cases(what, [command, ...args], env = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  let [lines, failed] = [0, false];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!/^(ok|FAIL|skip) /.test(line)) return;
    lines++;
    failed ||= line.startsWith('FAIL ');
    report.foreign(line);
  });
  const [status] = await once(child, 'close');
  await report.run(`${what} ran to its end`, () => {
    if (lines === 0 || (status !== 0 && !failed)) throw new Error(`status ${status} after ${lines} cases`);
  });
}

const gateway = await Gateway.start(['--mode', 'default']);
const byItself = () => HubServer.start(gateway, { command: [...program('HubServer'), '--mode', 'self'] });
// The conformance cases have a server of their own, on which nobody else broadcasts.
const servers = await Promise.all([byItself(), byItself(), HubServer.start(gateway)]);
const [replayed, itself, behind] = servers;
await Promise.all([
  cases('the conformance suite at ASP.NET Core', [process.execPath, script('conformance/main.mjs'), replayed.endpoint]),
  cases('the .NET client', [...program('Client'), 'ASP.NET Core', itself.endpoint, 'hubgate', behind.endpoint]),
]);
await report.run('servers and gateway end when told', async () => {
  const codes = await Promise.all(servers.map((server) => server.stop()));
  codes.push(await gateway.stop());
  if (codes.some((code) => code !== 0)) throw new Error(`exit codes ${codes}`);
});
if (missing) {
  report.line('skip', 'hub servers on Microsoft.Azure.SignalR', missing);
  report.line('skip', 'the Management SDK', missing);
} else {
  await cases('the suite "default" with Microsoft.Azure.SignalR', [process.execPath, '--no-warnings', script('default/main.mjs')], {
    HUBGATE_HUBSERVER: JSON.stringify(program('HubServer')), HUBGATE_SUITE: 'dotnet Microsoft.Azure.SignalR',
  });
  await report.runAll(manageCases(program('Manage')), 1);
}
report.finish();
