/** Tests in network namespaces, where this machine lets us make them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import type { CaptureRules } from '#host/network/capture-rules.ts';
import { findNamespaceMeans, type NamespaceMeans, unshareCommand } from '#host/network/means.ts';

/** A suite that needs namespaces; without them it is one test, skipped with the reason and what to do. */
export function describeInNamespaces(
  name: string,
  suite: (means: NamespaceMeans) => void | Promise<void>,
): void {
  describe(name, async () => {
    const found = await findNamespaceMeans(process.env);
    if (found.ok) await suite(found.means);
    else test('needs network namespaces', { skip: `${found.reason} (${found.remedy})` }, () => {});
  });
}

/**
 * Runs a program of Node in namespaces that are gone with it; fails where it does.
 *
 * @param setup for `sh`, done before it
 * @param words its path and arguments
 */
export function runInNamespaces(
  means: NamespaceMeans,
  setup: string,
  words: readonly string[],
  input = '',
): { readonly stdout: string; readonly stderr: string } {
  const script = `set -e\n${setup}\nexec "$0" "$@"`;
  const [program, ...rest] = [...unshareCommand(means), 'sh', '-c', script, process.execPath, ...words];
  const { stdout, stderr, status } = spawnSync(program!, rest, { encoding: 'utf8', input, timeout: 60_000 });
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

/** Captures all but questions for names; the hub is nobody. */
export const everything: CaptureRules = {
  mode: 'REDIRECT',
  includeInboundPorts: '*',
  excludeInboundPorts: [],
  includeOutbound: '*',
  excludeOutbound: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
  hub: { ipv4: '192.0.2.99', ipv6: '2001:db8::99' },
  dns: false,
};
