import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostCells } from './host-cells.ts';

test('threads find one row for an endpoint', () => {
  const memory = HostCells.memory(2);
  const one = new HostCells(memory, { index: 0, count: 2 });
  const other = new HostCells(memory, { index: 1, count: 2 });
  const row = one.enter('a', 7);
  const same = other.enter('a', 1);
  assert.equal(same.get('flags'), 7);
  row.add('external', 2);
  assert.equal(same.add('external'), 3);
  assert.equal(row.take('external'), 3);
  assert.equal(other.enter('b', 0).get('flags'), 0);
});

test('connections are those of all threads, without one that is no more', () => {
  const memory = HostCells.memory(2);
  const one = new HostCells(memory, { index: 0, count: 2 });
  const other = new HostCells(memory, { index: 1, count: 2 });
  const [row, same] = [one.enter('a', 0), other.enter('a', 0)];
  row.setConnections(2);
  same.setConnections(3);
  assert.equal(row.connections, 5);
  other.forgetThread();
  assert.equal(row.connections, 2);
});

test('a row that nobody uses is given to another endpoint, with nothing in it', () => {
  const cells = new HostCells(HostCells.memory(1), { index: 0, count: 1 });
  const row = cells.enter('a', 3);
  row.add('consecutive5xx', 4);
  row.leave();
  const other = cells.enter('b', 0);
  assert.deepEqual([other.get('flags'), other.get('consecutive5xx')], [0, 0]);
});

test('there is room for thousands', () => {
  const cells = new HostCells(HostCells.memory(1), { index: 0, count: 1 });
  const rows = Array.from({ length: 3000 }, (_, i) => cells.enter(`host-${i}`, i));
  assert.ok(rows.every((row, i) => row.get('flags') === i));
});
