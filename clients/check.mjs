// Tests the libraries for Node.js, Python, Go and Java, and runs each README's example, and the program of docs/libraries.md, behind a
// gateway with the client that browsers use.
//
//   node clients/check.mjs [go|node|python|java ...]     none: all of them
//
// Needs `npm ci` in examples/chat and what each language needs: see its setup below. HUBGATE_BIN is the gateway to use; without it one is
// built from this tree. PYTHON names a Python with clients/python installed. Each case is a line "ok NAME" or "FAIL NAME: why", the last
// line is "N passed, N failed".
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { deepStrictEqual as same, ok } from 'node:assert/strict';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { build, client, connectionString, count, finish, freePort, gateway, root, start, stopAll, within, work } from '../examples/lab.mjs';

const at = (...path) => join(root, 'clients', ...path), text = (...path) => readFileSync(at(...path), 'utf8'), python = process.env.PYTHON ?? 'python3';
const classPath = ['target/classes', 'target/lib/*'].join(delimiter);

// Each language: its tests, the example of its README, and which packages of others the library needs, those for MessagePack
// included.
const languages = {
  go: {
    needs: () => new Set(readdirSync(at('go')).filter(file => /(?<!_test)\.go$/.test(file)).flatMap(file =>
      [...text('go', file).matchAll(/^\t"(\w+\.\w+\/[^"]+)"$/mg)].map(([, name]) => name)).filter(name => !name.startsWith('github.com/hubgate/'))),
    tests: ['go', ['test', '-count=1', './clients/go/...'], root],
    example: 'example/main.go',
    app: () => [build('go-example', './clients/go/example'), []],
    sends: ['go', file => ['go', ['run', file], root]],
  },
  node: {
    needs: () => {
      const { dependencies, peerDependencies } = JSON.parse(text('node', 'package.json'));
      return new Set(Object.keys({ ...dependencies, ...peerDependencies }));
    },
    tests: ['node', ['--test', 'test/'], at('node')],
    example: 'example/app.mjs',
    app: () => ['node', ['example/app.mjs']],
    sends: ['js', (file, text) => ['node', ['--input-type=module', '--eval', text], at('node')]],
  },
  python: {
    needs: () => new Set([...text('python', 'pyproject.toml').matchAll(/^(?:optional-)?dependencies = .*$/mg)].flatMap(([line]) => [...line.matchAll(/"(\w+)/g)].map(([, name]) => name))),
    tests: [python, ['-B', '-m', 'unittest', 'discover', '-s', 'tests'], at('python')],
    example: 'example/app.py',
    app: () => [python, ['-B', 'example/app.py']],
    sends: ['python', file => [python, ['-B', file], at('python')]],
  },
  java: {
    needs: () => new Set([...text('java', 'pom.xml').matchAll(/<dependency>[^]*?<\/dependency>/g)].map(([one]) => one).filter(one => !/<scope>(test|provided)</.test(one))),
    tests: ['mvn', ['-q', '-B', '-Dstyle.color=never', 'test'], at('java')], // builds what the example needs
    example: 'example/App.java',
    app: () => ['java', ['-cp', classPath, 'example/App.java']],
    sends: ['java', file => ['java', ['-cp', classPath, file], at('java')]],
  },
};

// run runs a command to its end. Its output is shown if it fails.
async function run(command, args, cwd, env) {
  try {
    await promisify(execFile)(command, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 24 });
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

// serving waits until the application answers.
async function serving(url) {
  for (;;) {
    try {
      return await fetch(url, { method: 'POST' });
    } catch {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

// send runs the program of docs/libraries.md that sends to all clients of the hub chat.
async function send([fence, command], env) {
  const page = readFileSync(join(root, 'docs', 'libraries.md'), 'utf8');
  const text = page.split('```' + fence + ' send\n')[1].split('```')[0];
  const file = join(work, `Send.${fence}`);
  writeFileSync(file, text);
  await run(...command(file, text), env);
}

async function behindTheGateway(name, language) {
  const port = await freePort(), url = await gateway('--upstream', `http://localhost:${port}/hook`);
  const env = { HUBGATE_CONNECTION_STRING: connectionString(url), PORT: String(port) };
  const [command, args] = language.app();
  start(command, args, { env, cwd: at(name), pattern: /^never$/ }).catch(() => {}); // it says nothing, and runs until the end
  await within('the application', serving(`http://localhost:${port}/chat/negotiate?user=x`));
  const ann = await client(`http://localhost:${port}/chat?user=ann`, ['said', 'newMessage']), bob = await client(`http://localhost:${port}/chat?user=b%C3%B6b`, ['said']);
  same(await ann.invoke('say', 'hi'), 'sent');
  for (const one of [ann, bob]) await one.got('said', 'ann', 'hi');
  same(await bob.invoke('say', 'ü'), 'sent');
  await ann.got('said', 'böb', 'ü');
  same((await fetch(`http://localhost:${port}/hook`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"type":10}' })).status, 401);
  await send(language.sends, env);
  await ann.got('newMessage', 'hello');
  await ann.stop();
  await bob.stop();
}

const wanted = process.argv.slice(2);
const chosen = Object.entries(languages).filter(([name]) => !wanted.length || wanted.includes(name));
// All at once: most of what they do is to wait. Each has a gateway of its own.
await Promise.all(chosen.map(([name, language]) => count(`${name}: the tests`, async () => {
  await run(...language.tests, { HUBGATE_TEST_CONNECTION_STRING: connectionString(await gateway()) });
})));
await stopAll();
for (const [name, language] of chosen) {
  await count(`${name}: needs two packages at most`, () => {
    const { size } = language.needs();
    ok(size === 1 || size === 2, `it needs ${size}`);
  });
  await count(`${name}: the README has the example`, () => {
    const example = text(name, language.example).trim();
    ok(text(name, 'README.md').includes(example), `${language.example} is not in README.md as it is`);
  });
  await count(`${name}: the example behind the gateway`, () => behindTheGateway(name, language));
  await stopAll();
}
await finish();
