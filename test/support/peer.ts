/**
 * Programs and data from outside that judge ours: where they are, and what a test does without them.
 * `npm run peers` installs the programs; HEDDLE_TESTDATA names the folder of data. With
 * HEDDLE_REQUIRE_PEERS=1 (CI) a missing one fails the test; else the test is skipped and says why.
 */
import { accessSync, constants, existsSync, globSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import peers from '../../peers.json' with { type: 'json' };

/** What peers.json lists. */
export type PeerName = keyof typeof peers;

export const peersFolder: string = resolve(import.meta.dirname, '../../.peers');

/**
 * Path of the peer's program: of a set of Python packages the interpreter that has them, of a set of Node
 * packages their `node_modules`. Pinned ones count only as `npm run peers` installed them.
 */
export function findPeer(name: PeerName): string | undefined {
  return placesOf(name).find(isExecutable);
}

function placesOf(name: PeerName): string[] {
  const peer = peers[name];
  if ('apt' in peer) {
    // Debian keeps a PostgreSQL server of each version in a folder of its own.
    const more = ['/usr/sbin', '/usr/local/sbin', ...globSync('/usr/lib/postgresql/*/bin')];
    const folders = [...(process.env.PATH ?? '').split(delimiter), ...more];
    return folders.map((folder) => join(folder, name));
  }
  if ('npm' in peer) return [join(peersFolder, name, 'node_modules')];
  if ('pip' in peer && !('file' in peer)) return [join(peersFolder, name, 'bin/python')];
  return [join(peersFolder, 'bin', name)];
}

/**
 * Path of the peer's program, or undefined after the test was marked as skipped: return then.
 * Throws where peers are required, but for one that peers.json calls optional: not every registry has it.
 */
export function requirePeer(t: Pick<TestContext, 'skip'>, name: PeerName): string | undefined {
  const found = findPeer(name);
  if (found !== undefined) return found;
  const reason = `${name} is not installed: npm run peers ${name}`;
  if ('optional' in peers[name]) t.skip(reason);
  else doWithout(t, reason);
  return undefined;
}

/** Path below HEDDLE_TESTDATA, or undefined after the test was marked as skipped: return then. */
export function testData(t: Pick<TestContext, 'skip'>, ...path: readonly string[]): string | undefined {
  const root = process.env.HEDDLE_TESTDATA;
  const found = root === undefined ? undefined : join(root, ...path);
  if (found !== undefined && existsSync(found)) return found;
  doWithout(t, root === undefined ? 'HEDDLE_TESTDATA is not set' : `there is no ${found}`);
  return undefined;
}

function doWithout(t: Pick<TestContext, 'skip'>, reason: string): void {
  if (process.env.HEDDLE_REQUIRE_PEERS === '1') throw new Error(reason);
  t.skip(reason);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
