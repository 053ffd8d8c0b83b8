/**
 * Installs the outside programs that tests and the benchmark need: `npm run peers`, or `npm run peers envoy`.
 * peers.json pins them. Pinned ones go into the git-ignored .peers/, Debian's own packages onto the host where
 * they are missing and we are root. Quick when everything is there; a peer that fails does not hold up the rest.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import peers from '../peers.json' with { type: 'json' };
import { findPeer, type PeerName, peersFolder } from '../test/support/peer.ts';

interface Peer {
  /** Requirements for pip, installed into a virtual environment of their own. */
  readonly pip?: string | readonly string[];
  /** With `pip`: the program, below site-packages. Absent: the environment's interpreter is the program. */
  readonly file?: string;
  /** Packages for npm, in a folder of their own: neither package.json nor its lock knows them. */
  readonly npm?: readonly string[];
  /** A package for `go install`. */
  readonly go?: string;
  /** A Debian package. */
  readonly apt?: string;
  /** Arguments that print the version; none: what was asked for is what is there. */
  readonly version: readonly string[];
  /** A registry that does not give it is no failure: what it judges is skipped, and says so. */
  readonly optional?: boolean;
}

const run = promisify(execFile);
const bin = join(peersFolder, 'bin');
/** What is installed of a pinned peer: the requirement it was installed from. */
const stamp = (name: string): string => join(peersFolder, `${name}.installed`);

async function installPip(
  name: string,
  requirements: readonly string[],
  file: string | undefined,
): Promise<void> {
  const venv = join(peersFolder, name);
  rmSync(venv, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', venv]);
  await run(join(venv, 'bin/pip'), ['install', '--quiet', ...requirements]);
  if (file === undefined) return;
  const [program] = globSync(join(venv, 'lib/python3*/site-packages', file));
  if (program === undefined) throw new Error(`${requirements.join(' ')} has no ${file}`);
  rmSync(join(bin, name), { force: true });
  symlinkSync(program, join(bin, name));
}

async function installNpm(name: string, packages: readonly string[]): Promise<void> {
  const folder = join(peersFolder, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd: folder });
}

/** What has no module file of its own can be had as a dependency of one that has. */
async function buildInModule(folder: string, requirement: string): Promise<void> {
  const module = mkdtempSync(join(peersFolder, 'module-'));
  try {
    const env = { ...process.env, GOFLAGS: '-mod=mod' };
    await run('go', ['mod', 'init', 'peer'], { cwd: module, env });
    await run('go', ['get', requirement], { cwd: module, env });
    await run('go', ['build', '-o', `${folder}/`, requirement.split('@')[0]!], { cwd: module, env });
  } finally {
    rmSync(module, { recursive: true, force: true });
  }
}

/** Go names a program after the last part of its package, which need not be the peer's name. */
async function installGo(name: string, requirement: string): Promise<void> {
  const folder = mkdtempSync(join(peersFolder, 'go-'));
  try {
    if (requirement.endsWith('+incompatible')) await buildInModule(folder, requirement);
    else await run('go', ['install', requirement], { env: { ...process.env, GOBIN: folder } });
    const [program] = readdirSync(folder);
    if (program === undefined) throw new Error(`${requirement} has no program`);
    renameSync(join(folder, program), join(bin, name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
  const requirements = requirementsOf(peer);
  const stamped = requirements.join(' ');
  if (present && existsSync(stamp(name)) && readFileSync(stamp(name), 'utf8') === stamped) return;
  mkdirSync(bin, { recursive: true });
  if (peer.pip !== undefined) await installPip(name, requirements, peer.file);
  else if (peer.npm !== undefined) await installNpm(name, requirements);
  else await installGo(name, stamped);
  writeFileSync(stamp(name), stamped);
}

const requirementsOf = ({ pip, npm, go }: Peer): readonly string[] => [pip ?? npm ?? go ?? []].flat();

async function versionOf(name: string, peer: Peer): Promise<string> {
  if (peer.version.length === 0) return requirementsOf(peer).join(' ').replaceAll(/\S+\//g, '');
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
  const peer = known[name];
  try {
    if (peer === undefined) throw new Error(`peers.json has ${Object.keys(known).join(', ')}`);
    await ensure(name, peer);
    console.log(`✔ ${name.padEnd(width)}  ${(await versionOf(name, peer)).padEnd(16)}  ${seconds()}`);
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const optional = peer?.optional === true;
    console.log(`${optional ? '–' : '✘'} ${name.padEnd(width)}  ${(stderr || message).trim()}  ${seconds()}`);
    if (!optional) process.exitCode = 1;
  }
}
