/** DNS that the kernel redirects, in a network namespace. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { capturePorts, captureRules } from '#host/network/capture-rules.ts';
import { loadingOf } from '#host/network/packet-filter.ts';
import { describeByFilter } from '../support/filters.ts';
import { everything, runInNamespaces } from '../support/namespaces.ts';

const program = join(import.meta.dirname, '../support/captured-dns.ts');
const address = '10.9.9.9';

const setup = `
ip link set lo up
ip addr add ${address}/32 dev lo
`;

describeByFilter('captured DNS', (means) => {
  test('whoever is asked, the sidecar answers, and its own questions are let through', () => {
    const words = [program, address, String(capturePorts.dns)];
    const rules = loadingOf(means.filter, captureRules({ ...everything, dns: true })).map(
      ({ command, input }) => `${command.join(' ')} <<'RULES'\n${input}RULES\n`,
    );
    const { stdout } = runInNamespaces(means, setup + rules.join(''), words);
    assert.deepEqual(JSON.parse(stdout), {
      found: [['10.96.1.1'], ['192.0.2.1']],
      ofOwn: 2,
      ofUpstream: 1,
    });
  });
});
