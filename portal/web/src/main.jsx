import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { findSession, login, logout, session } from './api.js';
import { failure, follow } from './metrics.js';
import { useSignal } from './signal.js';
import { Field, Form } from './ui.jsx';
import { Overview } from './pages/overview.jsx';
import { Explore } from './pages/explore.jsx';
import { TryIt } from './pages/try.jsx';
import { Trace } from './pages/trace.jsx';
import { Deliveries } from './pages/deliveries.jsx';
import { Settings } from './pages/settings.jsx';
import { Keys } from './pages/keys.jsx';
import { Faults } from './pages/faults.jsx';

const pages = [
  ['overview', 'Overview', Overview],
  ['explore', 'Connections', Explore],
  ['trace', 'Live trace', Trace],
  ['deliveries', 'Deliveries', Deliveries],
  ['try', 'Try it', TryIt],
  ['settings', 'Settings', Settings],
  ['keys', 'Keys', Keys],
  ['faults', 'Faults', Faults],
];

/** The page of the address, and its parameters: #/trace?user=ann */
function here() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  return { page: pages.find(([name]) => name === path) ?? pages[0], query: Object.fromEntries(new URLSearchParams(query)), hash: location.hash };
}

function App() {
  const [at, go] = useState(here());
  const main = useRef();
  const who = useSignal(session);
  const problem = useSignal(failure);
  useEffect(() => {
    const moved = () => { go(here()); main.current?.focus({ preventScroll: true }); scrollTo(0, 0); };
    addEventListener('hashchange', moved);
    findSession().catch(() => {});
    return () => removeEventListener('hashchange', moved);
  }, []);
  useEffect(() => {
    document.title = `${at.page[1]} · hubgate`;
    const show = () => document.querySelector('nav a[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }); // on a phone not all fit
    show();
    addEventListener('resize', show);
    return () => removeEventListener('resize', show);
  }, [at, who]);
  useEffect(() => { if (who) follow(); }, [who]);
  if (who === undefined) return null;
  if (!who) return <Login />;
  const Page = at.page[2];
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current.focus(); }}>To the content</a>
      <header class="top">
        <h1><img src="icon.svg" width="24" height="24" alt="" />hubgate</h1>
        <nav aria-label="Pages">
          {pages.map(([name, title]) => (
            <a key={name} href={`#/${name}`} aria-current={at.page[0] === name ? 'page' : undefined}>{title}</a>
          ))}
        </nav>
        <span class="who"><a href="../help/">Help</a><span class="soft" title="logged in as">{who}</span><button type="button" onClick={() => logout()}>Log out</button></span>
      </header>
      {problem && <p class="notice bad" role="alert">{problem}</p>}
      <main id="main" tabIndex={-1} ref={main}>
        <h2 class="page">{at.page[1]}</h2>
        <Page key={at.hash} query={at.query} />
      </main>
    </>
  );
}

function Login() {
  return (
    <main class="login" id="main">
      <section class="card">
        <h1><img src="icon.svg" width="28" height="28" alt="" />hubgate</h1>
        <Form submit="Log in" onSubmit={({ token }) => login(token)}>
          <input class="unseen" type="text" name="username" autocomplete="username" value="admin" readOnly tabIndex={-1} aria-hidden="true" />
          <Field label="Admin token" hint="That of HUBGATE_ADMIN_TOKEN, or the one that the gateway printed at its start.">
            {(f) => <input {...f} name="token" type="password" autocomplete="current-password" required autofocus spellcheck={false} />}
          </Field>
        </Form>
        <p class="pad"><a href="../help/">Help</a></p>
      </section>
    </main>
  );
}

render(<App />, document.getElementById('app'));
