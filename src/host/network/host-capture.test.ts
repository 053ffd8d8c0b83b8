import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { bootId, type Installed } from './capture-journal.ts';
import { HostCaptures } from './host-capture.ts';

/** Tools that say nothing and do nothing, and a journal that knows of one user. */
function capturesOf(t: TestContext, installed: Partial<Installed>): HostCaptures {
  const folder = tempDir(t);
  const nothing = join(folder, 'nothing');
  writeFileSync(nothing, '#!/bin/sh\n', { mode: 0o755 });
  const capture = { uid: 1000, includeInboundPorts: [], dns: false };
  writeFileSync(
    join(folder, 'uid-1000.json'),
    JSON.stringify({ capture, at: '2026-01-01T00:00:00Z', rules: 'some', ...installed }),
  );
  return new HostCaptures(
    { ip: nothing, unshare: nothing, filters: [{ kind: 'nft', nft: nothing }] },
    folder,
  );
}

describe('HostCaptures', { skip: process.platform !== 'linux' && 'rules for packets are of Linux' }, () => {
  test('rules of a tool that is not there any more are not said to be gone', async (t) => {
    const captures = capturesOf(t, { by: 'iptables-legacy', boot: bootId() });
    const [status] = await captures.status();
    assert.equal(status?.state, 'unknown');
    assert.match(status?.reason ?? '', /of iptables-legacy, which is not there any more: install iptables/);
    assert.match((await captures.uninstall({ uid: 1000 })).join(), /nobody knows/);
    assert.equal((await captures.status()).length, 1);
  });

  test('no rules outlast a restart of the host', async (t) => {
    const captures = capturesOf(t, { by: 'iptables-legacy', boot: 'an earlier one' });
    assert.equal((await captures.status())[0]?.state, 'gone');
    assert.deepEqual(await captures.uninstall({ uid: 1000 }), []);
    assert.deepEqual(await captures.status(), []);
  });

  test('a journal of earlier versions is of nft', async (t) => {
    const captures = capturesOf(t, {});
    const [status] = await captures.status();
    assert.deepEqual([status?.state, status?.by], ['gone', 'nft']);
  });
});
