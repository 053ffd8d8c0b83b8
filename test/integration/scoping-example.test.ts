/** examples/scoping: what its shop may call, and how its proxies run. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

describe('examples/scoping', () => {
  let mesh: RunningMesh;
  before(async () => {
    mesh = await startMesh(['examples/scoping']);
  });
  after(() => mesh?.stop());

  const call = async (to: string): Promise<string> => {
    const response = await fetch(`${mesh.ingressUrl}/call?${new URLSearchParams({ to })}`);
    return response.text();
  };

  test('its own services, one of them at another port of its application', async () => {
    await eventually(async () => assert.equal(await call('http://cart/'), '200 this is cart-1'));
  });

  test('one of another namespace', async () => {
    assert.equal(await call('http://invoices.billing/'), '200 this is invoices-1');
  });

  test('nothing that it does not ask for, and nothing that is kept', async () => {
    // Where names are answered by the sidecar there is none.
    const refused = captureMode === 'always' ? /^ENOTFOUND|^EAI_AGAIN/ : /^502 /;
    assert.match(await call('http://prices.billing/'), refused);
    assert.match(await call('http://ledger.billing/'), refused);
    assert.match(await call('http://example.com/'), refused);
  });

  test('proxies have the environment that is asked for, and write the access log', async () => {
    const { pid } = mesh.processOf('front-1.sidecar');
    assert.ok(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes('TEAM=shop'));
    const log = join(mesh.stateDirectory, 'logs', 'front-1.sidecar.log');
    await eventually(() => assert.match(readFileSync(log, 'utf8'), /"GET \/call\?to=.* HTTP\/1\.1" 200 /));
  });
});
