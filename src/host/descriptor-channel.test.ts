import assert from 'node:assert/strict';
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { bindListeningSocket, closeDescriptor } from './bound-socket.ts';
import {
  canPassDescriptors,
  giveDescriptor,
  openDescriptorChannel,
  takeDescriptor,
} from './descriptor-channel.ts';
import { int, openTcpSocket, SO_SNDBUF, SOL_SOCKET, withOptions } from './socket-options.ts';
import { SocketStock } from './socket-stock.ts';

const skip = canPassDescriptors() ? false : 'needs Linux';

describe('descriptors on their way', { skip }, () => {
  test('a socket that listens goes on listening where it has come to', async (t) => {
    const [giver, taker] = openDescriptorChannel();
    const bound = bindListeningSocket('127.0.0.1', 0);
    giveDescriptor(giver, bound);
    closeDescriptor(bound);
    const taken = takeDescriptor(taker, 1_000);
    const server = createServer((socket) => socket.end('hello'));
    t.after(() => server.close());
    server.listen({ fd: taken });
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
    assert.deepEqual(await once(client, 'data'), ['hello']);
    client.destroy();
    closeDescriptor(giver);
    closeDescriptor(taker);
  });

  test('they come in order, each once, and then nothing does', () => {
    const [giver, taker] = openDescriptorChannel();
    const sockets = [openTcpSocket(4, []), openTcpSocket(6, []), openTcpSocket(4, [])];
    const inodes = sockets.map((fd) => fstatSync(fd).ino);
    for (const fd of sockets) giveDescriptor(giver, fd);
    const taken = sockets.map(() => takeDescriptor(taker, 1_000));
    assert.deepEqual(
      taken.map((fd) => fstatSync(fd).ino),
      inodes,
    );
    assert.throws(() => takeDescriptor(taker, 0), { code: 'ETIMEDOUT' });
    for (const fd of [...sockets, ...taken, giver, taker]) closeDescriptor(fd);
  });

  test('an end is heard on either side', () => {
    const [giver, taker] = openDescriptorChannel();
    closeDescriptor(giver);
    assert.throws(() => takeDescriptor(taker, 1_000), { code: 'EPIPE' });
    closeDescriptor(taker);
    const [other, gone] = openDescriptorChannel();
    closeDescriptor(gone);
    const fd = openTcpSocket(4, []);
    assert.throws(() => giveDescriptor(other, fd), { code: 'EPIPE' });
    closeDescriptor(fd);
    closeDescriptor(other);
  });
});

describe('a stock of sockets', { skip }, () => {
  test('gives one with its options, of IPv4 alone', async () => {
    const [giver, taker] = openDescriptorChannel();
    withOptions(giver, [{ level: SOL_SOCKET, name: SO_SNDBUF, value: int(4_096) }]);
    const stock = new SocketStock(taker, 0);
    const fd = openTcpSocket(4, []);
    giveDescriptor(giver, fd);
    closeDescriptor(fd);
    assert.throws(() => stock.take(6, []), { code: 'EAFNOSUPPORT' });
    const server = createServer((socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, ...{ fd: stock.take(4, []) } });
    await once(socket, 'connect');
    socket.destroy();
    server.close();
    assert.throws(() => stock.take(4, []), { code: 'ETIMEDOUT' });
    closeDescriptor(giver);
    assert.throws(() => stock.take(4, []), { code: 'EPIPE' });
    closeDescriptor(taker);
  });
});
