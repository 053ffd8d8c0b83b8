import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketMemory } from './bucket-memory.ts';
import { TokenBucket } from './local-ratelimit/token-bucket.ts';

const PER_SECOND = 1 / 1000;

test('threads find the same cell by its name, and another by another', () => {
  const memory = new SharedArrayBuffer(BucketMemory.bytes(4));
  const [one, two] = [new BucketMemory(() => memory, 0), new BucketMemory(() => memory, 0)];
  assert.equal(one.cellOf('a').at, two.cellOf('a').at);
  assert.notEqual(one.cellOf('a').at, two.cellOf('b').at);
});

test('a table that is full gives cells of the thread alone', () => {
  const memory = new BucketMemory(() => new SharedArrayBuffer(BucketMemory.bytes(2)), 0);
  const places = new Set(['a', 'b', 'c', 'd'].map((name) => memory.cellOf(name).cells.length));
  assert.deepEqual([...places], [4, 1]);
});

test('threads take from one bucket, whatever their clocks count from', () => {
  const memory = new SharedArrayBuffer(BucketMemory.bytes(4));
  let mainMs = 10_000;
  const bucketOf = (aheadMs: number): TokenBucket => {
    const buckets = new BucketMemory(() => memory, aheadMs);
    const own = (): number => mainMs - aheadMs;
    return new TokenBucket(3, PER_SECOND, buckets.cellOf('a'), () => own() + buckets.aheadMs);
  };
  const [main, worker] = [bucketOf(0), bucketOf(9000)];
  assert.deepEqual([main.take(), worker.take(), main.take(), worker.take()], [true, true, true, false]);
  assert.equal(worker.secondsUntilNext, 1);
  mainMs += 1000;
  assert.equal(Math.floor(main.tokens), 1);
  assert.deepEqual([worker.take(), main.take()], [true, false]);
  mainMs += 3_600_000;
  assert.equal(main.tokens, 3);
});
