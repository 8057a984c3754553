// What hubs send to whom.
import assert from 'node:assert/strict';
import { freshWord } from './stand.mjs';

const stopAll = async (...clients) => {
  await Promise.all(clients.map((client) => client.stop()));
  for (const client of clients) assert.deepEqual(client.errors, []);
};

/** Who heard a text, when everybody has heard the last one. */
async function heard(clients, word, last) {
  await Promise.all(clients.map((client) => client.hears(word + last)));
  return (text) => clients.map((client) => client.heard.filter((one) => one === word + text).length);
}

async function everybodyAndSome(stand, combination, others) {
  const clients = await Promise.all([combination, ...others].map((one) => stand.connect(one)));
  const [a, b, c] = clients;
  const word = freshWord();
  await a.invoke('Broadcast', `${word}all`);
  await a.invoke('Others', `${word}others`);
  await a.invoke('AllExcept', b.id, `${word}not b`);
  await a.invoke('ToClient', b.id, `${word}b`);
  await a.invoke('ToClients', [b.id, c.id], `${word}b and c`);
  await a.invoke('ToClient', 'nobody', `${word}nobody`);
  await a.invoke('Outside', `${word}outside`);
  await a.invoke('OutsideTo', a.id, `${word}outside to a`);
  await a.hears(`${word}outside to a`);
  for (const client of clients) for (const text of ['all', 'outside']) await client.hears(word + text);
  // The last texts go the way of the others before them.
  for (const client of clients) await a.invoke('ToClient', client.id, `${word}end`);
  await a.invoke('Broadcast', `${word}last`);
  const by = await heard(clients, word, 'last');
  for (const client of clients) await client.hears(`${word}end`);
  await c.hears(`${word}b and c`);
  for (const [text, counts] of [['all', [1, 1, 1]], ['others', [0, 1, 1]], ['not b', [1, 0, 1]], ['b', [0, 1, 0]], ['b and c', [0, 1, 1]], ['nobody', [0, 0, 0]], ['outside to a', [1, 0, 0]]]) {
    assert.deepEqual(by(text), counts, text);
  }
  await stopAll(...clients);
}

async function groups(stand, combination, others) {
  const clients = await Promise.all([combination, ...others].map((one) => stand.connect(one)));
  const [a, b] = clients;
  const word = freshWord();
  const group = `${word} Gruppe.ü/&`;
  assert.equal(await a.invoke('Join', group), 'joined');
  assert.equal(await a.invoke('JoinOther', b.id, group), 'joined');
  await b.invoke('Join', `${group}2`);
  await a.invoke('ToGroup', group, `${word}both`);
  await a.invoke('ToOthersInGroup', group, `${word}others`);
  await a.invoke('ToGroups', [group, `${group}2`], `${word}twice`);
  await a.invoke('ToGroup', `${group}3`, `${word}nobody`);
  await b.hears(`${word}others`);
  assert.equal(await a.invoke('Leave', group), 'left');
  await a.invoke('ToGroup', group, `${word}b alone`);
  await b.hears(`${word}b alone`);
  for (const client of clients) await client.invoke('Join', `${group}end`);
  await a.invoke('ToGroup', `${group}end`, `${word}end`);
  const by = await heard(clients, word, 'end');
  for (const [text, counts] of [['both', [1, 1, 0]], ['others', [0, 1, 0]], ['twice', [1, 2, 0]], ['nobody', [0, 0, 0]], ['b alone', [0, 1, 0]]]) {
    assert.deepEqual(by(text), counts, text);
  }
  await stopAll(...clients);
}

async function users(stand, combination, others) {
  const user = `${freshWord()}ann`;
  const [tab, otherTab, stranger] = await Promise.all([combination, ...others].map((one, i) => stand.connect(one, { query: i < 2 ? { fakeuser: user } : {} })));
  assert.equal((await tab.invoke('WhoAmI')).User, user);
  await stranger.invoke('ToUser', user, `${user} both`);
  await tab.hears(`${user} both`);
  await otherTab.hears(`${user} both`);
  await stranger.invoke('ToUsers', [user, 'nobody'], `${user} of many`);
  await otherTab.hears(`${user} of many`);
  await otherTab.stop();
  await stranger.invoke('ToUser', user, `${user} the other tab goes on`);
  await tab.hears(`${user} the other tab goes on`);
  assert.deepEqual(stranger.heardOf(user), []);
  assert.equal(await tab.invoke('Echo', 'still here'), 'still here');
  await stopAll(tab, stranger);
}

/** A client hears the broadcasts of hubs that it declared, and may call others. */
async function declared(stand, combination, [other]) {
  const [chat, both] = await Promise.all([stand.connect(combination), stand.connect(other, { hubs: ['ChatHub', 'otherHub'], query: { fakeuser: 'two hubs' } })]);
  const word = freshWord();
  assert.equal(await both.on('otherHub', 'Echo', 'x'), 'x');
  await both.on('otherHub', 'Broadcast', `${word}other`);
  await both.hears(`otherHub: ${word}other`);
  await both.on('otherHub', 'ToUser', 'two hubs', `${word}user`);
  await both.hears(`otherHub: ${word}user`);
  await both.on('otherHub', 'Join', word);
  await both.invoke('ToGroup', word, `${word}group of the other hub`);
  await both.on('otherHub', 'ToGroup', word, `${word}group`);
  await both.hears(`otherHub: ${word}group`);
  await chat.invoke('Broadcast', `${word}chat`);
  await chat.hears(`${word}chat`);
  await both.hears(`${word}chat`);
  assert.deepEqual(chat.heard.filter((text) => text.includes(word)), [`${word}chat`]);
  assert.equal(both.heard.filter((text) => text.includes(word)).length, 4);
  await stopAll(chat, both);
}

/** `others` are the clients that the case needs besides. */
export const sendCases = (stand, one, others) => [
  [`${one.name}: H86 broadcast, others, single clients, from outside`, () => everybodyAndSome(stand, one, others)],
  [`${one.name}: H86 groups`, () => groups(stand, one, others)],
  [`${one.name}: H86 users, two tabs`, () => users(stand, one, others)],
  [`${one.name}: H86 hubs that were declared and others`, () => declared(stand, one, others)],
];
