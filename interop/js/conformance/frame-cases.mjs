// What a client sends over a WebSocket, and what ASP.NET Core SignalR 10 was seen to answer.
//
// expect: the records that come back, in order, as describe() in frames.mjs writes them.
// then:   1000  the server closes with this code
//         open  the connection stays open and answers a further invocation
//         quiet the connection stays open; what was sent leaves no room for a further record

const RS = '\x1e';
const json = '{"protocol":"json","version":1}' + RS;
const messagePack = '{"protocol":"messagepack","version":1}' + RS;
const bytes = (text) => Buffer.from(text, 'utf8');

const refused = ['{} error'];
const faulted = ['{}', '7 error allowReconnect=true'];
const completed = ['{}', '3:9 result'];

const handshakes = [
  { name: 'handshake', row: 'C63', send: [json], expect: ['{}'], then: 'open' },
  { name: 'handshake, version 0', send: ['{"protocol":"json","version":0}' + RS], expect: ['{}'], then: 'open' },
  { name: 'handshake, version 2 (json)', send: ['{"protocol":"json","version":2}' + RS], expect: ['{}'], then: 'open' },
  { name: 'handshake, version 99', row: 'C64', send: ['{"protocol":"json","version":99}' + RS], expect: refused, then: 1000 },
  { name: 'handshake, unknown protocol', row: 'C64', send: ['{"protocol":"xml","version":1}' + RS], expect: refused, then: 1000 },
  { name: 'handshake, no version', send: ['{"protocol":"json"}' + RS], expect: refused, then: 1000 },
  { name: 'handshake, no protocol', send: ['{"version":1}' + RS], expect: refused, then: 1000 },
  { name: 'handshake, empty object', send: ['{}' + RS], expect: refused, then: 1000 },
  { name: 'handshake, not json', send: ['hello' + RS], expect: refused, then: 1000 },
  { name: 'handshake, array', send: ['[]' + RS], expect: refused, then: 1000 },
  { name: 'handshake, extra members', send: ['{"protocol":"json","version":1,"extra":{"a":[1]}}' + RS], expect: ['{}'], then: 'open' },
  { name: 'handshake, protocol in capitals', send: ['{"protocol":"JSON","version":1}' + RS], expect: ['{}'], then: 'open' },
  { name: 'handshake, binary frame', row: 'C31', send: [bytes(json)], expect: ['{}'], then: 'open' },
  { name: 'handshake in two frames', row: 'C34', send: ['{"protocol":"js', 'on","version":1}' + RS], expect: ['{}'], then: 'open' },
  { name: 'handshake without separator', send: ['{"protocol":"json","version":1}'], expect: [], then: 'quiet' },
  { name: 'handshake and ping in one frame', row: 'C33', send: [json + '{"type":6}' + RS], expect: ['{}'], then: 'open' },
  { name: 'messagepack handshake, text frame', row: 'C32', send: [messagePack], expect: ['bin:{}'], then: 'open', binary: true },
  { name: 'messagepack version 2', row: 'C30', send: ['{"protocol":"messagepack","version":2}' + RS], expect: ['bin:{}'], then: 'open', binary: true },
  {
    name: 'invocation before handshake',
    send: ['{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}' + RS],
    expect: refused,
    then: 1000,
  },
];

const fault = (name, record, row) => ({ name, row, send: [json, record + RS], expect: faulted, then: 1000 });
const ignored = (name, record, row) => ({ name, row, send: [json, record + RS], expect: ['{}'], then: 'open' });

const records = [
  fault('second handshake', '{"protocol":"json","version":1}'),
  ignored('ping', '{"type":6}'),
  { name: 'close', row: 'C38', send: [json, '{"type":7}' + RS], expect: ['{}', '7'], then: 1000 },
  { name: 'close with error', row: 'C38', send: [json, '{"type":7,"error":"bye"}' + RS], expect: ['{}', '7'], then: 1000 },
  fault('not json', 'hello'),
  fault('json, not an object', '[1]'),
  fault('no type', '{"a":1}'),
  fault('type is text', '{"type":"1"}'),
  { name: 'unknown type 99', row: 'C75', send: [json, '{"type":99}' + RS], expect: ['{}'], then: 'quiet' },
  fault('invocation without target', '{"type":1,"arguments":[]}'),
  fault('invocation without arguments', '{"type":1,"target":"Nothing"}'),
  fault('invocation, arguments null', '{"type":1,"target":"Nothing","arguments":null}'),
  fault('invocation, arguments object', '{"type":1,"target":"Nothing","arguments":{}}'),
  fault('invocation, numeric id', '{"type":1,"invocationId":1,"target":"Nothing","arguments":[]}'),
  ignored('invocation, empty id', '{"type":1,"invocationId":"","target":"Nothing","arguments":[]}'),
  fault('invocation, target number', '{"type":1,"target":5,"arguments":[]}'),
  {
    name: 'invocation, members in other order',
    row: 'C71',
    send: [json, '{"arguments":[],"target":"Nothing","invocationId":"9","type":1}' + RS],
    expect: completed,
    then: 'open',
  },
  {
    name: 'stream invocation, unknown',
    row: 'C88',
    send: [json, '{"type":4,"invocationId":"9","target":"NoSuchStream","arguments":[]}' + RS],
    expect: ['{}', '3:9 error'],
    then: 'open',
  },
  ignored('stream item for nobody', '{"type":2,"invocationId":"7","item":1}'),
  ignored('completion for nobody', '{"type":3,"invocationId":"7","result":1}'),
  fault('completion with result and error', '{"type":3,"invocationId":"7","result":1,"error":"x"}'),
  ignored('cancel for nobody', '{"type":5,"invocationId":"7"}'),
  ignored('ack and sequence without stateful reconnect', '{"type":8,"sequenceId":1}' + RS + '{"type":9,"sequenceId":1}'),
  {
    name: 'two invocations with the same id',
    send: [json, ('{"type":1,"invocationId":"9","target":"Nothing","arguments":[]}' + RS).repeat(2)],
    expect: ['{}', '3:9 result', '3:9 result'],
    then: 'open',
  },
  fault('empty record', ''),
  { name: 'empty frame', send: [json, ''], expect: ['{}'], then: 'open' },
  { name: 'binary frame after json handshake', row: 'C31', send: [json, bytes('{"type":6}' + RS)], expect: ['{}'], then: 'open' },
  ignored('record over 32 KB', `{"type":1,"target":"Nothing","arguments":[],"pad":"${'x'.repeat(40_000)}"}`),
  { name: 'unfinished record of 2 MB', send: [json, `{"type":1,"pad":"${'x'.repeat(2 << 20)}`], expect: ['{}'], then: 'quiet' },
  {
    name: 'invalid utf-8 in a record',
    send: [json, Buffer.concat([bytes('{"type":1,"target":"'), Buffer.from([0xff, 0xfe]), bytes('","arguments":[]}' + RS)])],
    expect: faulted,
    then: 1000,
  },
  {
    name: 'duplicate members',
    send: [json, '{"type":1,"invocationId":"1","invocationId":"9","target":"Nothing","target":"Nothing","arguments":[]}' + RS],
    expect: completed,
    then: 'open',
  },
  fault('deep nesting', `{"type":1,"target":"Nothing","arguments":[${'['.repeat(2000)}${']'.repeat(2000)}]}`),
  {
    name: 'headers',
    send: [json, '{"type":1,"headers":{"a":"b"},"invocationId":"9","target":"Nothing","arguments":[]}' + RS],
    expect: completed,
    then: 'open',
  },
];

export const frameCases = [...handshakes, ...records];
