/** Tests of what the kernel is told about packets, by each tool that can tell it. */
import { realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { captureRules } from '#host/network/capture-rules.ts';
import { type NamespaceMeans, unshareCommand } from '#host/network/means.ts';
import { findFilters, type PacketFilter, tryRules } from '#host/network/packet-filter.ts';
import { describeInNamespaces, everything } from './namespaces.ts';
import { requirePeer } from './peer.ts';
import { tempDir } from './temp-dir.ts';

const filterKinds: readonly PacketFilter['kind'][] = ['nft', 'iptables-nft', 'iptables-legacy'];

/** A `PATH` by which that tool is the first that works: nft is one that does not, where it is not meant. */
export function pathTo(t: { after(end: () => void): void }, filter: PacketFilter): string {
  const path = process.env.PATH ?? '';
  if (filter.kind === 'nft') return path;
  const folder = tempDir(t);
  writeFileSync(join(folder, 'nft'), '#!/bin/sh\necho this kernel has no nf_tables >&2\nexit 1\n', {
    mode: 0o755,
  });
  for (const program of [...Object.values(filter.restore), ...Object.values(filter.save)]) {
    // It does what it is called.
    symlinkSync(realpathSync(program), join(folder, basename(program).replace(/-(?:nft|legacy)-/, '-')));
  }
  return `${folder}:${path}`;
}

/** A suite in namespaces for each tool; for one that is missing, or that this kernel has nothing for, it is one test. */
export function describeByFilter(name: string, suite: (means: NamespaceMeans) => void): void {
  for (const kind of filterKinds) {
    describeInNamespaces(`${name}, by ${kind}`, async (means) => {
      const all = await findFilters(process.env.PATH ?? '');
      const filter = all.find((one) => one.kind === kind);
      if (filter === undefined) {
        test('needs its programs', (t) => {
          if (requirePeer(t, kind === 'nft' ? 'nft' : 'iptables') !== undefined)
            t.skip(`there is no ${kind}`);
        });
        return;
      }
      const complaint = await tryRules(unshareCommand(means), filter, captureRules(everything));
      if (complaint === undefined) suite({ ...means, filter });
      else test('needs a kernel that takes its rules', { skip: complaint }, () => {});
    });
  }
}
