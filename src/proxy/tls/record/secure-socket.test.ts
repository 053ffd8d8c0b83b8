/** A connection whose records are sealed here, before a peer that seals its own: with care, and without. */
import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { SecureSocket } from './secure-socket.ts';
import { TrafficKeys } from './traffic-keys.ts';

const SUITE = 'TLS_AES_128_GCM_SHA256';
const clientSecret = Buffer.alloc(32, 1);
const serverSecret = Buffer.alloc(32, 2);
const type = { ccs: 20, alert: 21, handshake: 22, data: 23 } as const;
const facts = { alpnProtocol: false, servername: 'a' } as const;
const nothing = Buffer.alloc(0);

/** The other end: keys of its own, and whatever it likes to write. */
class Peer {
  readonly wire: Duplex;
  readonly sending: TrafficKeys = new TrafficKeys(SUITE, clientSecret);
  readonly receiving: TrafficKeys = new TrafficKeys(SUITE, serverSecret);
  /** What came, opened: type and content. */
  readonly records: { readonly type: number; readonly content: Buffer }[] = [];
  ended = false;
  #held: Buffer = nothing;

  constructor(wire: Duplex) {
    this.wire = wire;
    wire.on('data', (bytes: Buffer) => this.#take(bytes));
    wire.on('end', () => {
      this.ended = true;
    });
  }

  seal(content: Buffer, as: number = type.data, paddingBytes = 0): Buffer {
    return this.sending.seal(Buffer.concat([content, Buffer.of(as), Buffer.alloc(paddingBytes)]));
  }

  #take(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.#held.length >= 5 && this.#held.length >= 5 + this.#held.readUInt16BE(3)) {
      const end = 5 + this.#held.readUInt16BE(3);
      const inner = this.receiving.open(this.#held.subarray(0, end));
      this.records.push({ type: inner.at(-1)!, content: inner.subarray(0, -1) });
      this.#held = this.#held.subarray(end);
      if (inner.at(-1) === type.handshake) this.receiving.update();
    }
  }

  get data(): string {
    return Buffer.concat(
      this.records.filter((one) => one.type === type.data).map(({ content }) => content),
    ).toString('latin1');
  }
}

interface Rig {
  readonly socket: SecureSocket;
  readonly peer: Peer;
  readonly raw: Duplex;
  /** What the socket told: texts of data, `end`, `error CODE`, `close`. */
  readonly events: string[];
}

function rig(received: Buffer = nothing): Rig {
  const [raw, wire] = duplexPair({ allowHalfOpen: true });
  const keys = [new TrafficKeys(SUITE, clientSecret), new TrafficKeys(SUITE, serverSecret)] as const;
  const socket = new SecureSocket(raw, keys[0], keys[1], facts, received);
  const events: string[] = [];
  socket.on('data', (bytes: Buffer) => events.push(bytes.toString('latin1')));
  socket.on('end', () => events.push('end'));
  socket.on('error', (error: Error & { code?: string }) => events.push(`error ${error.code}`));
  socket.on('close', () => events.push('close'));
  return { socket, peer: new Peer(wire), raw, events };
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
};

const keyUpdate = (request: number): Buffer => Buffer.of(24, 0, 0, 1, request);

describe('what is read', () => {
  test('data of several records, in pieces of any size', async () => {
    for (const size of [1, 2, 7, 64, 10_000]) {
      const { peer, events } = rig();
      const bytes = Buffer.concat(['one', 'two', 'three'].map((text) => peer.seal(Buffer.from(text))));
      for (let at = 0; at < bytes.length; at += size) peer.wire.write(bytes.subarray(at, at + size));
      await settled();
      assert.deepEqual(events, ['one', 'two', 'three'], `pieces of ${size}`);
    }
  });

  test('what came before there was a listener', async () => {
    const peerKeys = new TrafficKeys(SUITE, clientSecret);
    const { events } = rig(peerKeys.seal(Buffer.from('early\u0017', 'latin1')));
    await settled();
    assert.deepEqual(events, ['early']);
  });

  test('padding is no data, and records of nothing are taken a few times', async () => {
    const { peer, events } = rig();
    peer.wire.write(peer.seal(Buffer.from('a'), type.data, 300));
    for (let i = 0; i < 32; i++) peer.wire.write(peer.seal(nothing));
    peer.wire.write(peer.seal(Buffer.from('b')));
    await settled();
    assert.deepEqual(events, ['a', 'b']);
    for (let i = 0; i < 33; i++) peer.wire.write(peer.seal(nothing));
    await settled();
    assert.deepEqual(events.slice(2), ['error ERR_SSL_RECORD', 'close']);
  });

  test('a reader that stops holds the sender up', async () => {
    const { socket, peer, raw } = rig();
    socket.pause();
    const record = Buffer.alloc(16 * 1024, 1);
    for (let i = 0; i < 64; i++) peer.wire.write(peer.seal(record));
    await settled();
    assert.ok(raw.isPaused());
    assert.ok(socket.readableLength <= 6 * record.length, `${socket.readableLength} bytes are held`);
    let bytes = 0;
    socket.on('data', (data: Buffer) => {
      bytes += data.length;
    });
    socket.resume();
    await settled();
    await settled();
    assert.equal(socket.bytesRead, 64 * record.length);
    assert.equal(bytes, 64 * record.length);
  });
});

describe('what is read from a sender without mercy', () => {
  test('records of nothing in between do not let more through', async () => {
    const { socket, peer, raw } = rig();
    socket.pause();
    const record = Buffer.alloc(16 * 1024, 1);
    for (let i = 0; i < 64; i++) {
      peer.wire.write(Buffer.concat([peer.seal(record), peer.seal(nothing)]));
      await settled();
    }
    assert.ok(raw.isPaused());
    assert.ok(socket.readableLength <= 6 * record.length, `${socket.readableLength} bytes are held`);
  });
});

describe('what is written', () => {
  test('texts and bytes, in records of at most 16 KiB', async () => {
    const { socket, peer } = rig();
    const large = Buffer.alloc(50_000, 'x');
    socket.write('hello ', 'latin1');
    socket.cork();
    socket.write('wor');
    socket.write('ld');
    socket.uncork();
    socket.write(large);
    await settled();
    assert.equal(peer.data, `hello world${large}`);
    assert.ok(peer.records.every(({ content }) => content.length <= 16 * 1024));
    assert.equal(socket.bytesWritten, 11 + large.length);
    assert.equal(socket.writableLength, 0);
  });

  test('the end is told, and what comes is read on', async () => {
    const { socket, peer, events } = rig();
    socket.end('bye');
    await settled();
    assert.deepEqual(
      peer.records.map((one) => [one.type, one.content.toString('hex')]),
      [
        [type.data, Buffer.from('bye').toString('hex')],
        [type.alert, '0100'],
      ],
    );
    assert.equal(peer.ended, true);
    peer.wire.write(peer.seal(Buffer.from('still here')));
    peer.wire.end(peer.seal(Buffer.of(1, 0), type.alert));
    await settled();
    assert.deepEqual(events, ['still here', 'end', 'close']);
  });

  test('nothing counts as written before it has left', async () => {
    const { socket, raw } = rig();
    raw.cork();
    let written = false;
    socket.write('x', () => {
      written = true;
    });
    await settled();
    assert.equal(written, false);
    assert.ok(socket.writableLength > 0);
    raw.uncork();
    await settled();
    assert.equal(written, true);
    assert.equal(socket.writableLength, 0);
  });
});

describe('the end', () => {
  test('that came while the handshake ended is told, after what came with it', async () => {
    const [raw, wire] = duplexPair({ allowHalfOpen: true });
    const peerKeys = new TrafficKeys(SUITE, clientSecret);
    wire.end();
    raw.resume();
    await settled();
    const keys = [new TrafficKeys(SUITE, clientSecret), new TrafficKeys(SUITE, serverSecret)] as const;
    const received = peerKeys.seal(Buffer.from('last\u0017', 'latin1'));
    const socket = new SecureSocket(raw, ...keys, facts, received);
    const events: string[] = [];
    socket.on('data', (bytes: Buffer) => events.push(bytes.toString('latin1')));
    socket.on('end', () => events.push('end'));
    await settled();
    assert.deepEqual(events, ['last', 'end']);
    socket.destroy();
  });

  test('who waits for what was written is told that it has not left', async () => {
    const { socket, raw } = rig();
    raw.cork();
    const outcomes: (Error | null | undefined)[] = [];
    socket.write('x', (error) => outcomes.push(error));
    await settled();
    socket.destroy();
    await settled();
    assert.equal(outcomes.length, 1);
    assert.ok(outcomes[0] instanceof Error);
  });

  test('close_notify ends reading, and the other way goes on', async () => {
    const { socket, peer, events } = rig();
    peer.wire.write(peer.seal(Buffer.of(1, 0), type.alert));
    await settled();
    assert.deepEqual(events, ['end']);
    socket.end('answer');
    await settled();
    assert.equal(peer.data, 'answer');
    assert.deepEqual(events, ['end', 'close']);
  });

  test('records after close_notify are not looked at', async () => {
    const { peer, events } = rig();
    const bytes = [peer.seal(Buffer.of(1, 0), type.alert), peer.seal(Buffer.from('x'))];
    peer.wire.write(Buffer.concat(bytes));
    await settled();
    assert.deepEqual(events, ['end']);
  });

  test('a connection that just ends, ends', async () => {
    const { peer, events } = rig();
    peer.wire.end();
    await settled();
    assert.deepEqual(events, ['end']);
  });

  test('destroying tells the end, and takes the raw connection along, both ways', async () => {
    const one = rig();
    const sent: Buffer[] = [];
    one.raw.write = (bytes: Buffer): boolean => sent.push(bytes) > 0;
    one.socket.destroy();
    await settled();
    assert.equal(one.raw.destroyed, true);
    assert.deepEqual(
      sent.map((record) => [...one.peer.receiving.open(record)]),
      [[1, 0, type.alert]],
    );
    const two = rig();
    two.raw.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    await settled();
    assert.deepEqual(two.events, ['error ECONNRESET', 'close']);
  });

  test('other alerts are errors', async () => {
    const { peer, events } = rig();
    peer.wire.write(peer.seal(Buffer.of(1, 90), type.alert));
    peer.wire.write(peer.seal(Buffer.of(2, 40), type.alert));
    await settled();
    assert.deepEqual(events, ['error ERR_SSL_ALERT', 'close']);
  });
});

describe('new keys', () => {
  test('are taken, and answered where that is asked', async () => {
    const { socket, peer, events } = rig();
    for (const request of [0, 1, 1]) {
      peer.wire.write(peer.seal(keyUpdate(request), type.handshake));
      peer.sending.update();
      peer.wire.write(peer.seal(Buffer.from(`after ${request}`)));
      await settled();
      socket.write('answer');
      await settled();
    }
    assert.deepEqual(events, ['after 0', 'after 1', 'after 1']);
    assert.equal(peer.data, 'answeransweranswer');
    assert.equal(peer.records.filter((one) => one.type === type.handshake).length, 2);
  });

  test('are taken from a message in pieces', async () => {
    const { peer, events } = rig();
    const message = keyUpdate(0);
    for (const byte of message) peer.wire.write(peer.seal(Buffer.of(byte), type.handshake));
    peer.sending.update();
    peer.wire.write(peer.seal(Buffer.from('after')));
    await settled();
    assert.deepEqual(events, ['after']);
  });

  test('are told once to who reads none of it, however often they are asked for', async () => {
    const { socket, peer, raw } = rig();
    raw.cork();
    for (let i = 0; i < 20; i++) {
      peer.wire.write(peer.seal(keyUpdate(1), type.handshake));
      peer.sending.update();
      peer.wire.write(peer.seal(Buffer.from('x')));
    }
    await settled();
    const held = raw.writableLength;
    assert.ok(held > 0 && held < 50, `${held} bytes wait`);
    raw.uncork();
    socket.write('answer');
    await settled();
    assert.equal(peer.data, 'answer');
  });

  test('that are asked for after our end are nothing to answer', async () => {
    const { socket, peer, events } = rig();
    socket.end();
    await settled();
    peer.wire.write(peer.seal(keyUpdate(1), type.handshake));
    peer.sending.update();
    peer.wire.write(peer.seal(Buffer.from('still here')));
    await settled();
    assert.deepEqual(events, ['still here']);
    assert.deepEqual(
      peer.records.map((one) => one.type),
      [type.alert],
    );
  });

  test('without end are refused', async () => {
    const { peer, events } = rig();
    for (let i = 0; i < 33; i++) {
      peer.wire.write(peer.seal(keyUpdate(0), type.handshake));
      peer.sending.update();
    }
    await settled();
    assert.deepEqual(events, ['error ERR_SSL_RECORD', 'close']);
  });
});

describe('what breaks the rules ends the connection, and says why', () => {
  const rows: readonly (readonly [why: string, write: (peer: Peer) => Buffer, alert: number])[] = [
    ['a record that is not sealed', () => Buffer.from('17030300030102', 'hex').fill(22, 0, 1), 10],
    ['an old change_cipher_spec', () => Buffer.from('140303000101', 'hex'), 10],
    ['a plain alert', () => Buffer.from('15030300020100', 'hex'), 10],
    [
      'a record without room for its seal',
      () => Buffer.concat([Buffer.from('1703030010', 'hex'), Buffer.alloc(16)]),
      20,
    ],
    ['a record that is too long', () => Buffer.from('1703034101', 'hex'), 22],
    [
      'a record of another key',
      () => new TrafficKeys(SUITE, Buffer.alloc(32, 9)).seal(Buffer.from('x\u0017')),
      20,
    ],
    ['a record of nothing but padding', (peer) => peer.sending.seal(Buffer.alloc(20)), 10],
    ['more than 16 KiB of data', (peer) => peer.seal(Buffer.alloc(16 * 1024 + 1)), 22],
    ['more than 16 KiB with its padding', (peer) => peer.seal(Buffer.alloc(16 * 1024), type.data, 1), 22],
    [
      'data between the pieces of a message',
      (peer) =>
        Buffer.concat([peer.seal(keyUpdate(0).subarray(0, 3), type.handshake), peer.seal(Buffer.from('x'))]),
      10,
    ],
    ['a message of nothing', (peer) => peer.seal(nothing, type.handshake), 10],
    ['an alert of nothing', (peer) => peer.seal(nothing, type.alert), 10],
    ['an unknown type', (peer) => peer.seal(Buffer.from('x'), 24), 10],
    ['a handshake message', (peer) => peer.seal(Buffer.of(1, 0, 0, 0), type.handshake), 10],
    [
      'a key update with more behind it',
      (peer) => peer.seal(Buffer.concat([keyUpdate(0), keyUpdate(0)]), type.handshake),
      10,
    ],
    ['a key update of unknown kind', (peer) => peer.seal(keyUpdate(2), type.handshake), 47],
    ['an alert of bad length', (peer) => peer.seal(Buffer.of(1), type.alert), 50],
  ];
  for (const [why, write, alert] of rows) {
    test(why, async () => {
      const { peer, events } = rig();
      peer.wire.write(write(peer));
      await settled();
      assert.deepEqual(events, ['error ERR_SSL_RECORD', 'close']);
      assert.deepEqual(
        peer.records.map((one) => [one.type, ...one.content]),
        [[type.alert, 2, alert]],
      );
    });
  }

  test('bytes that were spoilt bring an error or nothing, and never data that was not sent', async () => {
    const seed = Number(process.env.HEDDLE_SEED ?? Date.now() % 1_000_000);
    const random = seededRandom(seed);
    for (let round = 0; round < 300; round++) {
      const { socket, peer, events } = rig();
      const texts = ['alpha', 'beta', 'gamma'];
      const bytes = Buffer.concat(texts.map((text) => peer.seal(Buffer.from(text))));
      const at = Math.floor(random.ratio() * bytes.length);
      bytes[at] = bytes[at]! ^ (1 + Math.floor(random.ratio() * 255));
      const cut = Math.floor(random.ratio() * bytes.length);
      peer.wire.write(bytes.subarray(0, cut));
      peer.wire.write(bytes.subarray(cut));
      await settled();
      const data = events.filter((event) => !/^(error|close|end)/.test(event));
      assert.deepEqual(data, texts.slice(0, data.length), `seed ${seed}`);
      assert.ok(data.length < 3, `seed ${seed}: all was taken`);
      socket.destroy();
    }
  });
});
