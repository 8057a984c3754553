// The access keys. They are shown only to who asks for them.
import { useState } from 'preact/hooks';
import { get, post } from '../api.js';
import { Action, Card, Copy, Empty, Missing, useAsked } from '../ui.jsx';

export function Keys() {
  const marks = useAsked(() => get('/api/keys'), []);
  const [shown, show] = useState(null);
  const take = (keys) => { show(keys); marks.again(); };
  if (marks.error || !marks.value) return <Missing asked={marks} what="the keys" />;
  return (
    <div class="stack">
      <p class="soft">Tokens that are signed with either key are accepted. To replace a key without an interruption: let the applications use the other one first.</p>
      <div class="row">
        {shown ? <button type="button" onClick={() => show(null)}>Hide</button> : <Action onAct={async () => take(await post('/api/keys/show'))}>Show keys and connection strings</Action>}
      </div>
      <div class="grid wide">
        {['primary', 'secondary'].map((kind) => (
          <Card key={kind} title={kind === 'primary' ? 'Primary key' : 'Secondary key'} note={!shown && marks.value[kind].set ? `ends with ${marks.value[kind].end ?? '…'}` : ''}>
            {!marks.value[kind].set && <Empty>There is none.</Empty>}
            {shown && marks.value[kind].set && (
              <>
                <Secret what="Access key" text={shown[`${kind}Key`]} />
                <Secret what="Connection string" text={shown[`${kind}ConnectionString`]} />
              </>
            )}
            <div class="row pad">
              <Action class="danger" confirm={`Replace the ${kind} key? Applications that use it are refused from then on.`} onAct={async () => take(await post('/api/keys/regenerate', { keyType: kind }))}>
                {marks.value[kind].set ? 'Replace' : 'Make one'}
              </Action>
            </div>
          </Card>
        ))}
      </div>
    </div>
  );
}

function Secret({ what, text }) {
  return <div class="secret"><span class="soft">{what}</span><code data-secret={what}>{text}</code><Copy text={text} what={what} /></div>;
}
