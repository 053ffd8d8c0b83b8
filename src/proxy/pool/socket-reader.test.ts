import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SocketReader } from './socket-reader.ts';

const KIB = 1024;

interface Rig {
  readonly reader: SocketReader;
  /** Reads so many bytes. @returns the buffer they came in. */
  read(bytes: number): Buffer;
}

/** @param take what the taker answers, and does with the reader meanwhile. */
function rig(take: (reader: SocketReader) => boolean, maxBytes?: number): Rig {
  const reader = new SocketReader(maxBytes);
  const { buffer, callback } = reader.onread as {
    buffer: () => Buffer;
    callback: (bytes: number, buffer: Buffer) => boolean;
  };
  reader.taker = { onBytes: () => take(reader) };
  return {
    reader,
    read(bytes) {
      const into = buffer();
      callback(Math.min(bytes, into.length), into);
      return into;
    },
  };
}

describe('the memory of a socket that is read', () => {
  test('is the same again where nothing refers to it', () => {
    const { read } = rig(() => true);
    assert.equal(read(100), read(100));
  });

  test('is another where something does, and comes back when that is over', () => {
    let out = false;
    const { reader, read } = rig((of) => {
      if (!out) of.lend();
      return out;
    });
    const first = read(100);
    const second = read(100);
    assert.notEqual(first, second);
    out = true;
    reader.settle();
    const third = read(100);
    assert.ok(third === first || third === second, 'what was given back is taken again');
  });

  test('grows with what comes, and shrinks again', () => {
    const { read } = rig(() => true, 1024 * KIB);
    assert.equal(read(16 * KIB).length, 16 * KIB);
    for (let i = 0; i < 8; i++) assert.equal(read(1024 * KIB).length, 128 * KIB);
    assert.equal(read(1024 * KIB).length, 512 * KIB);
    for (let i = 0; i < 17; i++) assert.equal(read(100).length, 512 * KIB);
    for (let i = 0; i < 17; i++) assert.equal(read(100).length, 128 * KIB);
    assert.equal(read(100).length, 16 * KIB);
  });

  test('stays below what it may take', () => {
    const { read } = rig(() => true, 32 * KIB);
    for (let i = 0; i < 100; i++) assert.equal(read(1024 * KIB).length, 16 * KIB);
  });
});
