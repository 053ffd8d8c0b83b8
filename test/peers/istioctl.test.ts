/** A real istioctl reads dumps of our sidecar, and prints the tables that it prints of an Envoy in the same place. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { startMesh } from '../support/mesh.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);

const workloads = ['storefront-v1', 'reviews-v1'] as const;
/** Tables, and the page of the admin interface that istioctl reads for each. */
const tables = {
  clusters: '/config_dump?include_eds',
  listeners: '/config_dump?include_eds',
  routes: '/config_dump?include_eds',
  secrets: '/config_dump?include_eds',
  endpoints: '/clusters?format=json',
} as const;
type Table = keyof typeof tables;
type Tables = Readonly<Record<Table, readonly string[]>>;

/** Of the bootstrap with which agents start Envoy; ours needs none of it. */
const ofBootstrap =
  /(^| )(admin|sds-grpc|xds-grpc|agent)( |$)|Inline Route: \/(healthz|stats)|(healthz-ready|stats-prometheus)/;

/** Lines without what differs between two runs: the network that was leased, serial numbers and times. */
function linesOf(printed: string, network: string, table: Table): string[] {
  return printed
    .trimEnd()
    .split('\n')
    .slice(1)
    .filter((line) => !ofBootstrap.test(line.replaceAll(/\s+/g, ' ')))
    .map((line) =>
      line
        .trimEnd()
        .replaceAll(network, '127.NET.')
        .split(/\s{2,}/),
    )
    .map((cells) => (table === 'secrets' ? cells.filter((cell) => !isOfOneRun(cell)) : cells))
    .map((cells) => cells.join(' | '))
    .sort();
}

function isOfOneRun(cell: string): boolean {
  return /^[0-9a-f]{20,}$/.test(cell) || /^\d{4}-\d\d-\d\dT/.test(cell);
}

async function tablesOf(
  t: TestContext,
  istioctl: string,
  sidecar: 'heddle' | 'envoy',
  envoy: string,
): Promise<Readonly<Record<string, Tables>>> {
  const folder = tempDir(t);
  const settings = join(folder, 'mesh.yaml');
  const written = workloads.map((name) => `  ${name}: { sidecar: ${sidecar} }`).join('\n');
  writeFileSync(
    settings,
    `apiVersion: heddle.dev/v1alpha1\nkind: LocalMesh\nmetadata: { name: compared }\nworkloads:\n${written}\n`,
  );
  const mesh = await startMesh(['examples/bookstore', settings], { env: { HEDDLE_ENVOY: envoy } });
  try {
    const found: Record<string, Tables> = {};
    for (const workload of workloads) {
      const [instance] = mesh.instancesOf(workload);
      const { meshAddress, adminUrl } = instance!;
      const network = meshAddress.split('.').slice(0, 2).join('.').concat('.');
      const print = async (table: Table): Promise<readonly string[]> => {
        const file = join(folder, `${workload}-${table}.json`);
        writeFileSync(file, await (await fetch(adminUrl + tables[table])).text());
        const env = { ...process.env, HOME: folder, KUBECONFIG: join(folder, 'none') };
        const { stdout } = await run(istioctl, ['proxy-config', table, '-f', file], { env });
        return linesOf(stdout, network, table);
      };
      const all = Object.keys(tables).map(async (table) => [table, await print(table as Table)] as const);
      found[workload] = Object.fromEntries(await Promise.all(all)) as Tables;
    }
    return found;
  } finally {
    await mesh.stop();
  }
}

describe('istioctl', () => {
  test('prints the tables that it prints of an Envoy', { timeout: 300_000 }, async (t) => {
    const istioctl = requirePeer(t, 'istioctl');
    const envoy = requirePeer(t, 'envoy');
    if (istioctl === undefined || envoy === undefined) return;
    const ours = await tablesOf(t, istioctl, 'heddle', envoy);
    const theirs = await tablesOf(t, istioctl, 'envoy', envoy);
    for (const workload of workloads)
      for (const table of Object.keys(tables) as Table[]) {
        await t.test(`${table} of ${workload}`, () => {
          assert.ok(ours[workload]![table].length > 1, 'the table is empty');
          assert.deepEqual(ours[workload]![table], theirs[workload]![table]);
        });
      }
  });
});
