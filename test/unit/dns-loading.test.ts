/** What DNS needs is loaded by a sidecar that answers DNS, and by nobody else. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const { cache } = createRequire(import.meta.url);
const isLoaded = (): boolean => Object.keys(cache).some((file) => file.includes('/dns-packet/'));

test('a proxy loads the DNS library when its DNS starts', async () => {
  await import('#app/sidecar.ts');
  await import('#app/proxy.ts');
  assert.equal(isLoaded(), false);
  await import('#names/dns-server.ts');
  assert.equal(isLoaded(), true);
});
