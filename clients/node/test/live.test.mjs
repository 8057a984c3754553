import { deepStrictEqual as same, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { Hub, StatusError } from 'hubgate';

const connection = process.env.HUBGATE_TEST_CONNECTION_STRING;

// Every call to a gateway in which nobody is connected.
test('at a gateway', { skip: !connection && 'HUBGATE_TEST_CONNECTION_STRING names no gateway' }, async () => {
  const hub = new Hub('Chat', connection);
  const orNobody = promise => promise.catch(error => { if (error.status !== 404) throw error; });
  await Promise.all([
    hub.sendToAll('say', 'hi'), hub.sendToUser('a/b ü', 'say'), hub.sendToGroup('red', 'say', 1), hub.addUserToGroup('a/b ü', 'red'),
    hub.closeUser('ann'), hub.closeGroup('red', 'x'),
    ...[hub.sendToConnection('nobody', 'say'), hub.closeConnection('nobody', 'bye bye'), hub.removeFromGroup('nobody', 'red')].map(orNobody),
  ]);
  same(await hub.userInGroup('a/b ü', 'red'), true);
  await hub.removeUserFromGroup('a/b ü', 'red');
  same(await hub.userInGroup('a/b ü', 'red'), false);
  same(await hub.userExists('ann'), false);
  for await (const member of hub.listGroup('red')) throw new Error(JSON.stringify(member));
  const answers = status => error => error instanceof StatusError && error.status === status;
  await rejects(hub.invoke('nobody', 'ask'), answers(404));
  await rejects(new Hub('chat', connection.replace(/AccessKey=[^;]*/, 'AccessKey=another-key-another-key-another-key')).sendToAll('say'), answers(401));
});
