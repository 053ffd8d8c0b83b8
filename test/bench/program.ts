/** The proxies that are compared, as programs: where they are, and how each is configured for a hop. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findPeer } from '../support/peer.ts';
import { bootstrap } from './config/bootstrap.ts';
import { haproxy } from './config/haproxy.ts';
import { nginxProxy } from './config/nginx.ts';
import type { Hop } from './config/work.ts';
import { outputOf } from './measure/output.ts';

export const contenderNames = ['heddle', 'envoy', 'nginx', 'haproxy', 'direct'] as const;
/** `direct` is the load on the backend with no proxy between. */
export type ContenderName = (typeof contenderNames)[number];
export type ProxyName = Exclude<ContenderName, 'direct'>;

export interface Program {
  readonly command: string;
  readonly versionArgs: readonly string[];
  /** Writes the configuration and gives the arguments that run it. */
  configure(hop: Hop): readonly string[];
}

const heddle = resolve(import.meta.dirname, '../../bin/heddle');

function write(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** Arguments that run a bootstrap by Heddle or by Envoy. */
export function bootstrapArguments(
  name: 'heddle' | 'envoy',
  { folder, threads, text }: { readonly folder: string; readonly threads: number; readonly text: string },
): readonly string[] {
  const config = ['-c', write(folder, 'bootstrap.json', text)];
  return name === 'heddle'
    ? ['proxy', ...config, ...(threads === 1 ? [] : ['--concurrency', String(threads)])]
    : [...config, '--concurrency', String(threads), '--disable-hot-restart', '-l', 'warning'];
}

/** Throws the reason when the program is not there. */
export function commandOf(name: ProxyName): string {
  if (name === 'heddle') return heddle;
  const command = findPeer(name);
  if (command === undefined) throw new Error(`${name} is not installed: npm run peers ${name}`);
  return command;
}

export function programOf(name: ProxyName): Program {
  const command = commandOf(name);
  switch (name) {
    case 'heddle':
    case 'envoy':
      return {
        command,
        versionArgs: [name === 'heddle' ? 'version' : '--version'],
        configure: (hop) =>
          bootstrapArguments(name, { ...hop, text: bootstrap(hop, { istioStats: name === 'heddle' }) }),
      };
    case 'nginx':
      return {
        command,
        versionArgs: ['-v'],
        configure: (hop) => ['-p', hop.folder, '-c', write(hop.folder, 'nginx.conf', nginxProxy(hop))],
      };
    case 'haproxy':
      return {
        command,
        versionArgs: ['-v'],
        configure: (hop) => ['-f', write(hop.folder, 'haproxy.cfg', haproxy(hop))],
      };
  }
}

/** Such as `1.40.0`; empty where the program does not say. */
export async function versionOf({ command, versionArgs }: Program): Promise<string> {
  return /\d+\.\d+(\.\d+)?/.exec(await outputOf(command, versionArgs))?.[0] ?? '';
}
