import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { test } from 'node:test';
import { canDuplicateDescriptors, duplicateDescriptor } from './duplicate-descriptor.ts';

test('a second descriptor reads what the first one would have read, and outlives it', async (t) => {
  if (!canDuplicateDescriptors()) {
    t.skip('not on this system');
    return;
  }
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => client.destroy());
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const fd = duplicateDescriptor(accepted);
  assert.ok(fd !== undefined);
  accepted.destroy();
  const second = new Socket({ fd, readable: true, writable: true });
  t.after(() => second.destroy());
  client.write('hello');
  const [data] = (await once(second, 'data')) as [Buffer];
  assert.equal(data.toString(), 'hello');
  second.end('bye');
  const [answer] = (await once(client, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'bye');
});

test('a socket that is closed has none', () => {
  assert.equal(duplicateDescriptor(new Socket()), undefined);
});
