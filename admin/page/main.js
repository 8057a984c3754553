// The inspector: the live view of a gateway. It loads nothing from elsewhere.
import { byId } from './dom.js';
import * as feed from './feed.js';
import * as form from './form.js';
import * as here from './here.js';
import { follow, setToken } from './stream.js';

feed.begin();
form.begin();

let tried = false;

function state(name, text, again) {
  byId('status').dataset.state = name;
  byId('status-text').textContent = name === 'token' ? 'needs a token' : text;
  byId('key').hidden = name !== 'token';
  if (name !== 'token') return;
  byId('key-error').textContent = tried ? `The token was refused: ${text}` : '';
  byId('token').focus();
  byId('key').onsubmit = (submit) => {
    submit.preventDefault();
    tried = true;
    setToken(byId('token').value);
    byId('token').value = '';
    again();
  };
}

follow({
  state,
  begin: here.forget,
  event(event) {
    here.take(event);
    feed.add(event);
  },
});
