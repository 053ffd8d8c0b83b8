import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mark } from '#http/header-name.ts';
import { dropHopByHop, dropResponseHopByHop } from './hop-by-hop.ts';
import { isAccepted, isConnectionFailure, isUseless } from './upgrade.ts';

const MARKS = mark.connection | mark.upgrade;

test('what asks for a protocol goes on as it was written', () => {
  const headers = ['connection', 'UPGRADE, x-a', 'upgrade', 'WebSocket', 'x-a', '1', 'keep-alive', '5'];
  dropHopByHop(headers, MARKS | mark.hopByHop, 'UPGRADE, x-a', true);
  assert.deepEqual(headers, ['connection', 'UPGRADE, x-a', 'upgrade', 'WebSocket', 'x-a', '1']);
});

test('nothing of one connection goes on where no protocol is asked for', () => {
  const headers = ['connection', 'upgrade, x-a', 'upgrade', 'h2c', 'x-a', '1', 'x-b', '2'];
  dropHopByHop(headers, MARKS, 'upgrade, x-a', false);
  assert.deepEqual(headers, ['x-b', '2']);
});

test('what accepts a protocol goes back as it was written', () => {
  const accepting = (): string[] => ['connection', 'Upgrade', 'upgrade', 'websocket', 'keep-alive', '5'];
  const [kept, dropped] = [accepting(), accepting()];
  dropResponseHopByHop(kept, MARKS | mark.hopByHop, true);
  dropResponseHopByHop(dropped, MARKS | mark.hopByHop, false);
  assert.deepEqual(kept, ['connection', 'Upgrade', 'upgrade', 'websocket']);
  assert.deepEqual(dropped, []);
});

test('who accepts, and who only seems to', () => {
  const socket = { method: 'GET', upgrade: 'websocket' };
  const tunnel = { method: 'CONNECT', upgrade: '' };
  assert.deepEqual(
    [101, 200, 403].map((status) => isAccepted(socket, status)),
    [true, false, false],
  );
  assert.deepEqual(
    [101, 200, 204, 403].map((status) => isAccepted(tunnel, status)),
    [false, true, true, false],
  );
  assert.equal(isUseless(socket, 200, 1), true);
  assert.equal(isUseless(socket, 200, 2), false);
  assert.equal(isUseless(socket, 403, 1), false);
  assert.equal(isUseless(tunnel, 302, 1), false);
});

test('a connection that failed is told from other failures', () => {
  assert.equal(isConnectionFailure('URX,UF'), true);
  assert.equal(isConnectionFailure('UC'), true);
  assert.equal(isConnectionFailure('UR,DC'), false);
});
