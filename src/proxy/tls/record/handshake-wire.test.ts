/** What OpenSSL is given while a handshake runs, and what is kept from it afterwards. */
import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import { HandshakeWire } from './handshake-wire.ts';

const settled = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
};

const record = (content: string): Buffer => {
  const head = Buffer.of(22, 3, 3, 0, content.length);
  return Buffer.concat([head, Buffer.from(content, 'latin1')]);
};

function rig(): { wire: HandshakeWire; raw: Duplex; client: Duplex; given: string[] } {
  const [raw, client] = duplexPair({ allowHalfOpen: true });
  const wire = new HandshakeWire(raw);
  const given: string[] = [];
  wire.on('data', (bytes: Buffer) => given.push(bytes.toString('latin1')));
  wire.on('end', () => given.push('end'));
  return { wire, raw, client, given };
}

describe('the wire of a handshake', () => {
  test('gives one record at a time, however they come', async () => {
    for (const size of [1, 3, 100]) {
      const { client, given } = rig();
      const bytes = Buffer.concat([record('one'), record('two')]);
      for (let at = 0; at < bytes.length; at += size) client.write(bytes.subarray(at, at + size));
      await settled();
      assert.deepEqual(
        given,
        [record('one'), record('two')].map((one) => one.toString('latin1')),
        `pieces of ${size}`,
      );
    }
  });

  test('gives what is no record as it comes: nobody waits for the rest of it', async () => {
    const { client, given } = rig();
    client.write(Buffer.from('GET / HTTP/1.1\r\n'));
    await settled();
    client.write(Buffer.from('more'));
    await settled();
    assert.deepEqual(given, ['GET / HTTP/1.1\r\n', 'more']);
  });

  test('keeps what follows the handshake, its end too, for who takes the connection', async () => {
    const { wire, raw, client, given } = rig();
    client.write(record('one'));
    await settled();
    wire.handshakeDone();
    client.write(record('two'));
    client.end(record('three'));
    wire.write('ticket');
    await settled();
    const { received, written } = wire.release();
    assert.equal(
      received.toString('latin1'),
      Buffer.concat([record('two'), record('three')]).toString('latin1'),
    );
    assert.equal(written.toString(), 'ticket');
    assert.deepEqual(given, [record('one').toString('latin1')]);
    assert.equal(raw.readableEnded, true);
    wire.write('lost');
    wire.destroy();
    await settled();
    assert.equal(raw.destroyed, false);
    assert.equal(String(client.read()), 'ticket');
  });

  test('gives nothing more to a reader that has gone meanwhile', async () => {
    const { wire, client, given } = rig();
    const [reader] = duplexPair();
    wire.reader = reader;
    wire.on('data', () => reader.destroy());
    await settled();
    client.write(Buffer.concat([record('one'), record('two')]));
    await settled();
    assert.deepEqual(given, [record('one').toString('latin1')]);
  });

  test('takes no more than is read of it', async () => {
    const [raw, client] = duplexPair({ allowHalfOpen: true });
    const wire = new HandshakeWire(raw);
    const large = record('x'.repeat(200));
    for (let i = 0; i < 2000; i++) client.write(large);
    await settled();
    assert.ok(wire.readableLength <= 2 * wire.readableHighWaterMark, `${wire.readableLength} bytes are held`);
    let bytes = 0;
    wire.on('data', (data: Buffer) => {
      bytes += data.length;
    });
    for (let i = 0; i < 20; i++) await settled();
    assert.equal(bytes, 2000 * large.length);
  });
});
