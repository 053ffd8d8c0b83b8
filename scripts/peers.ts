/**
 * Installs the outside programs that tests and the benchmark need: `npm run peers`, or `npm run peers envoy`.
 * peers.json pins them. Pinned ones go into the git-ignored .peers/, Debian's own packages onto the host where
 * they are missing and we are root. Quick when everything is there; a peer that fails does not hold up the rest.
 */
import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import peers from '../peers.json' with { type: 'json' };
import { findPeer, type PeerName, peersFolder } from '../test/support/peer.ts';

interface Peer {
  /** One requirement for pip, installed into a virtual environment of its own. */
  readonly pip?: string;
  /** With `pip`: the program, below site-packages. */
  readonly file?: string;
  /** A package for `go install`. */
  readonly go?: string;
  /** A Debian package. */
  readonly apt?: string;
  /** Arguments that print the version. */
  readonly version: readonly string[];
}

const run = promisify(execFile);
const bin = join(peersFolder, 'bin');
/** What is installed of a pinned peer: the requirement it was installed from. */
const stamp = (name: string): string => join(peersFolder, `${name}.installed`);

async function installPip(name: string, requirement: string, file: string): Promise<void> {
  const venv = join(peersFolder, name);
  rmSync(venv, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', venv]);
  await run(join(venv, 'bin/pip'), ['install', '--quiet', requirement]);
  const [program] = globSync(join(venv, 'lib/python3*/site-packages', file));
  if (program === undefined) throw new Error(`${requirement} has no ${file}`);
  rmSync(join(bin, name), { force: true });
  symlinkSync(program, join(bin, name));
}

let listsUpdated = false;

async function installApt(name: string, requirement: string): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`not root: apt-get install ${requirement}`);
  // RUNLEVEL=1: nothing that a package brings is started as a service.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  if (!listsUpdated) await run('apt-get', ['update', '-q'], { env });
  listsUpdated = true;
  await run('apt-get', ['install', '-qy', '--no-install-recommends', requirement], { env });
  if (findPeer(name as PeerName) === undefined) throw new Error(`${requirement} brought no ${name}`);
}

/** Installs the peer where it is missing or not the pinned one. */
async function ensure(name: string, peer: Peer): Promise<void> {
  const present = findPeer(name as PeerName) !== undefined;
  if (peer.apt !== undefined) {
    if (!present) await installApt(name, peer.apt);
    return;
  }
  const requirement = peer.pip ?? peer.go ?? '';
  if (present && existsSync(stamp(name)) && readFileSync(stamp(name), 'utf8') === requirement) return;
  mkdirSync(bin, { recursive: true });
  if (peer.pip !== undefined) await installPip(name, peer.pip, peer.file ?? name);
  else await run('go', ['install', requirement], { env: { ...process.env, GOBIN: bin } });
  writeFileSync(stamp(name), requirement);
}

async function versionOf(name: string, peer: Peer): Promise<string> {
  const program = findPeer(name as PeerName) ?? name;
  // wrk prints its version and exits 1, nginx prints to standard error.
  const { stdout, stderr } = await run(program, [...peer.version]).catch(
    (error: { stdout?: string; stderr?: string }) => ({
      stdout: error.stdout ?? '',
      stderr: error.stderr ?? '',
    }),
  );
  const text = `${stdout}\n${stderr}`;
  return text.match(/\d+\.\d+(?:\.\d+)?[\w.+~-]*/)?.[0] ?? text.trim().split('\n')[0] ?? '';
}

const known: Readonly<Record<string, Peer>> = peers;
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(known);
const width = Math.max(...names.map((name) => name.length));
for (const name of names) {
  const startedMs = performance.now();
  const seconds = (): string => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
  try {
    const peer = known[name];
    if (peer === undefined) throw new Error(`peers.json has ${Object.keys(known).join(', ')}`);
    await ensure(name, peer);
    console.log(`✔ ${name.padEnd(width)}  ${(await versionOf(name, peer)).padEnd(16)}  ${seconds()}`);
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    console.log(`✘ ${name.padEnd(width)}  ${(stderr || message).trim()}  ${seconds()}`);
    process.exitCode = 1;
  }
}
