// The cases of Azure's management library for JavaScript. The program arm starts it.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { SignalRManagementClient } from '@azure/arm-signalr';
import { ClientSecretCredential } from '@azure/identity';

const { ARM, GATEWAY, TENANT, SUBSCRIPTION, ADMIN_TOKEN } = process.env;
const group = 'rg';
const name = 'gw-of-js';
const credential = new ClientSecretCredential(TENANT, 'js-tests', ADMIN_TOKEN, { authorityHost: ARM, disableInstanceDiscovery: true });
const client = new SignalRManagementClient(credential, SUBSCRIPTION, { endpoint: ARM.replace(/\/$/, ''), credentialScopes: `${ARM}.default` });
const { signalR } = client;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
async function send(key) {
  const audience = `${GATEWAY}/api/hubs/chat/:send`;
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ aud: audience, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  const token = `${head}.${createHmac('sha256', key).update(head).digest('base64url')}`;
  const answer = await fetch(`${audience}?api-version=2022-06-01`, {
    method: 'POST', body: '{"target":"hello","arguments":[]}', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
  });
  return answer.status;
}

const cases = {
  'the resource is created': async () => {
    const made = await signalR.beginCreateOrUpdateAndWait(group, name, {
      location: 'local', sku: { name: 'Premium_P1', tier: 'Premium', capacity: 2 }, tags: { team: 'web' },
      features: [{ flag: 'ServiceMode', value: 'Serverless' }], cors: { allowedOrigins: ['https://a.example'] },
    });
    assert.equal(made.provisioningState, 'Succeeded');
    assert.deepEqual([made.name, made.sku.name, made.sku.capacity, made.tags.team], [name, 'Premium_P1', 2, 'web']);
  },
  'R80 a change is seen by those who read': async () => {
    await signalR.beginUpdateAndWait(group, name, { cors: { allowedOrigins: ['https://b.example'] }, serverless: { connectionTimeoutInSeconds: 40 } });
    const read = await signalR.get(group, name);
    assert.deepEqual(read.cors.allowedOrigins, ['https://b.example']);
    assert.equal(read.serverless.connectionTimeoutInSeconds, 40);
    assert.equal(read.features[0].value, 'Serverless');
    const listed = [];
    for await (const one of signalR.listByResourceGroup(group)) listed.push(one.name);
    for await (const one of signalR.listBySubscription()) listed.push(one.name);
    assert.deepEqual(listed, [name, name]);
  },
  'R81 R82 keys are replaced': async () => {
    const before = await signalR.listKeys(group, name);
    assert.equal(await send(before.primaryKey), 202);
    const made = await signalR.beginRegenerateKeyAndWait(group, name, { keyType: 'Primary' });
    assert.notEqual(made.primaryKey, before.primaryKey);
    assert.equal(await send(before.primaryKey), 401);
    assert.equal(await send(made.primaryKey), 202);
    assert.match(made.primaryConnectionString, /^Endpoint=http.*AccessKey=/);
  },
  'R84 what is not valid is refused with the name of the field': async () => {
    await assert.rejects(signalR.beginUpdateAndWait(group, name, { serverless: { connectionTimeoutInSeconds: 0 } }), (error) => {
      assert.equal(error.statusCode, 400);
      assert.equal(error.code, 'ValidationFailed');
      assert.match(error.message, /connectionTimeoutInSeconds/);
      return true;
    });
  },
  'a restart is waited for': () => signalR.beginRestartAndWait(group, name),
  'what Azure lists can be listed': async () => {
    assert.equal((await signalR.listSkus(group, name)).value.length, 4);
    const names = [];
    for await (const usage of client.usages.list('local')) names.push(usage.name.value);
    assert.equal(names.length, 2);
    for await (const operation of client.operations.list()) names.push(operation.name);
    assert.ok(names.length > 5);
    for await (const domain of client.signalRCustomDomains.list(group, name)) assert.fail(domain.name);
    assert.equal((await signalR.checkNameAvailability('local', { type: 'Microsoft.SignalRService/SignalR', name })).nameAvailable, false);
  },
  'the resource is deleted': async () => {
    await signalR.beginDeleteAndWait(group, name);
    await assert.rejects(signalR.get(group, name), { statusCode: 404, code: 'ResourceNotFound' });
  },
};

for (const [title, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok arm javascript ${title}`);
  } catch (error) {
    console.log(`FAIL arm javascript ${title}: ${String(error.message).replace(/\s+/g, ' ').slice(0, 600)}`);
    process.exitCode = 1;
  }
}
