/** A real Envoy on a bootstrap of a test, killed when the test ends. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startChild } from './child.ts';
import { eventually } from './eventually.ts';
import { tempDir } from './temp-dir.ts';

export interface RunningEnvoy {
  readonly pid: number;
  /** The port a listener is bound to. */
  port(listener: string): number;
  /** Value of a counter or gauge, fetched anew. */
  stat(name: string): Promise<number>;
  /** Text of an admin page. */
  admin(path: string): Promise<string>;
  /** Where `@LOG@` of the bootstrap stands: its lines so far. */
  lines(): string[];
}

interface ListenersPage {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address?: { readonly port_value: number } };
  }[];
}

/** @param bootstrap YAML; an admin interface is added, and `@LOG@` becomes the name of a file. */
export async function startEnvoy(
  t: Pick<TestContext, 'after'>,
  program: string,
  bootstrap: string,
): Promise<RunningEnvoy> {
  const folder = tempDir(t);
  const log = join(folder, 'access.log');
  const config = join(folder, 'bootstrap.yaml');
  const addressFile = join(folder, 'admin');
  writeFileSync(log, '');
  writeFileSync(
    config,
    `admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n${bootstrap.replaceAll('@LOG@', log)}`,
  );
  const child = startChild(t, program, [
    ...['-c', config, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'],
    ...['--admin-address-path', addressFile, '--file-flush-interval-msec', '20'],
  ]);
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  const admin = async (path: string): Promise<string> => {
    const response = await fetch(`http://${readFileSync(addressFile, 'utf8').trim()}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.text();
  };
  const page = await eventually(
    async () => {
      await admin('/ready');
      return JSON.parse(await admin('/listeners?format=json')) as ListenersPage;
    },
    { timeoutMs: 20_000, until: () => over },
  ).catch((error: unknown) => {
    throw new Error(`Envoy did not start:\n${child.output().slice(0, 1000)}`, { cause: error });
  });
  return {
    pid: child.pid,
    admin,
    port: (listener) =>
      page.listener_statuses.find(({ name }) => name === listener)?.local_address.socket_address
        ?.port_value ?? 0,
    async stat(name) {
      const text = await admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
      return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
    },
    lines: () =>
      readFileSync(log, 'latin1')
        .split('\n')
        .filter((line) => line !== ''),
  };
}
