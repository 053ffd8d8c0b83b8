/** Leases of loopback networks, on the real interface. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type Lease, leaseNetwork } from '#host/lease.ts';
import { tempDir } from '../support/temp-dir.ts';

async function leased(name: string, directory: string): Promise<Lease> {
  const lease = await leaseNetwork(name, directory);
  assert.ok(lease.ok);
  return lease;
}

test('the same name gets the same network again, two at once get different ones', async (t) => {
  const directory = tempDir(t);
  const first = await leased('shop', directory);
  const second = await leased('shop', directory);
  assert.notEqual(first.network, second.network);
  first.release();
  const again = await leased('shop', directory);
  assert.equal(again.network, first.network);
  second.release();
  again.release();
});

test('a network on which somebody listens without a lease is left alone', async (t) => {
  const directory = tempDir(t);
  const first = await leased('shop', directory);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(15_012, first.controlAddress, resolve));
  first.release();
  const second = await leased('shop', directory);
  assert.notEqual(second.network, first.network);
  second.release();
  await new Promise((resolve) => server.close(resolve));
});

test('addresses: control plane, gateways, instances and their applications apart', async (t) => {
  const lease = await leased('shop', tempDir(t));
  const n = lease.network;
  assert.equal(lease.controlAddress, `127.${n}.0.1`);
  assert.equal(lease.gatewayAddress(0), `127.${n}.0.2`);
  assert.equal(lease.meshAddress(0), `127.${n}.1.1`);
  assert.equal(lease.meshAddress(250), `127.${n}.2.1`);
  assert.equal(lease.applicationAddress(0), `127.${n}.128.1`);
  assert.equal(lease.applicationAddress(251), `127.${n}.129.2`);
  assert.throws(() => lease.meshAddress(127 * 250), /at most 31750 instances/);
  lease.release();
});
