// Live trace as Azure's tool uses it: a client of SignalR at /livetrace.
import assert from 'node:assert/strict';
import { packages } from '../lib/clients.mjs';
import { restToken } from '../lib/token.mjs';
import { freshHub } from '../lib/world.mjs';
import { until } from '../lib/wait.mjs';

async function showsWhatHappens(world, combination) {
  const { signalr } = packages[combination.version];
  const { endpoint, key } = world.gateway;
  const url = `${endpoint}/livetrace`;
  const looking = new signalr.HubConnectionBuilder()
    .withUrl(url, { skipNegotiation: true, transport: signalr.HttpTransportType.WebSockets, accessTokenFactory: () => restToken(key, url) })
    .configureLogging(signalr.LogLevel.None).build();
  const events = [];
  const properties = [];
  looking.on('logEvent', (event) => events.push(event));
  looking.on('LogProperty', (property) => properties.push(property));
  await looking.start();
  await looking.invoke('startListeningToLogEvents');
  const client = await world.connect(combination, { hub: freshHub('traced'), user: 'traced user' });
  const of = (event) => event.logContext.hubName === client.hub;
  await until('the client is seen', () => events.some((e) => of(e) && e.logContext.userId === 'traced user' && e.logContext.connectionId === client.id));
  await client.invoke('Echo', 'x');
  const seen = events.find(of);
  await looking.invoke('LogProperty', seen.eventId);
  await until('the property', () => properties.some((p) => p.eventId === seen.eventId && p.eventName && p.template.includes('{')));
  await assert.rejects(looking.invoke('noSuchMethod'));
  await looking.stop();
  await client.stop();
  await assert.rejects(async () => {
    const refused = new signalr.HubConnectionBuilder()
      .withUrl(url, { skipNegotiation: true, transport: signalr.HttpTransportType.WebSockets, accessTokenFactory: () => restToken(key, `${endpoint}/client`) })
      .configureLogging(signalr.LogLevel.None).build();
    await refused.start();
  });
}

/** The client's own transport does not matter: one is enough. The gateway needs --trace-live. */
export const liveTraceCases = (world, combination) => (combination.protocol === 'json' && combination.transport === 'WebSockets'
  ? [[`${combination.name}: R89 live trace`, () => showsWhatHappens(world, combination)]] : []);
