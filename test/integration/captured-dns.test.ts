/** DNS that the kernel redirects, in a network namespace. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { capturePorts, captureRules } from '#host/network/capture-rules.ts';
import { nftScript } from '#host/network/nft-script.ts';
import { describeInNamespaces, everything, runInNamespaces } from '../support/namespaces.ts';

const program = join(import.meta.dirname, '../support/captured-dns.ts');
const address = '10.9.9.9';

/** The rules come by standard input. */
const setup = `
ip link set lo up
ip addr add ${address}/32 dev lo
nft -f -
`;

describeInNamespaces('captured DNS', (means) => {
  test('whoever is asked, the sidecar answers, and its own questions are let through', () => {
    const words = [program, address, String(capturePorts.dns)];
    const { stdout } = runInNamespaces(
      means,
      setup,
      words,
      nftScript(captureRules({ ...everything, dns: true }), 'heddle'),
    );
    assert.deepEqual(JSON.parse(stdout), {
      found: [['10.96.1.1'], ['192.0.2.1']],
      ofOwn: 2,
      ofUpstream: 1,
    });
  });
});
