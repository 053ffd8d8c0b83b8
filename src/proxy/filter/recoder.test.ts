import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { constants, createGunzip, createZstdCompress, gzipSync, zstdDecompressSync } from 'node:zlib';
import { Recoder } from './recoder.ts';

interface Told {
  readonly pieces: Buffer[];
  readonly broken: string[];
  readonly done: Promise<void>;
  readonly first: Promise<Buffer>;
}

function listen(): [Told, ConstructorParameters<typeof Recoder>[1]] {
  const done = Promise.withResolvers<void>();
  const first = Promise.withResolvers<Buffer>();
  const told: Told = { pieces: [], broken: [], done: done.promise, first: first.promise };
  return [
    told,
    {
      onPiece(data) {
        told.pieces.push(data);
        first.resolve(data);
      },
      onRoom() {},
      onDone: () => done.resolve(),
      onBroken: (code) => void told.broken.push(code),
    },
  ];
}

describe('a recoder', () => {
  test('lets every piece out as it comes', async () => {
    const [told, owner] = listen();
    const recoder = new Recoder(createZstdCompress({ flush: constants.ZSTD_e_flush }), owner);
    recoder.write(Buffer.from('data: 1\n\n'));
    const piece = await told.first;
    const text = zstdDecompressSync(piece, { finishFlush: constants.ZSTD_e_flush });
    assert.equal(text.toString(), 'data: 1\n\n');
    recoder.stop();
  });

  test('reads all members of gzip', async () => {
    const [told, owner] = listen();
    const recoder = new Recoder(createGunzip(), owner);
    recoder.write(Buffer.concat([gzipSync('one'), gzipSync('two')]));
    assert.equal(recoder.end(), true);
    await told.done;
    assert.equal(Buffer.concat(told.pieces).toString(), 'onetwo');
    assert.equal(recoder.bytesOut, 6);
  });

  test('what cannot be read ends it, and the end is still told', async () => {
    const [told, owner] = listen();
    const recoder = new Recoder(createGunzip(), owner);
    recoder.write(Buffer.from('no gzip'));
    recoder.end();
    await told.done;
    assert.deepEqual(told.broken, ['Z_DATA_ERROR']);
    assert.equal(recoder.write(Buffer.from('more')), true);
    assert.equal(recoder.end(), false);
  });

  test('more than may come out of so little does not', async () => {
    const [told, owner] = listen();
    const recoder = new Recoder(createGunzip(), owner, 100);
    recoder.write(gzipSync(Buffer.alloc(1 << 20)));
    recoder.end();
    await told.done;
    assert.deepEqual(told.broken, ['']);
    assert.ok(Buffer.concat(told.pieces).length < 1 << 18);
  });
});
