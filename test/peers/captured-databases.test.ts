/** Servers that know nothing of the mesh, in Pods whose connections are captured: databases by TCP, and nginx. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import {
  type CapturedPrograms,
  ownApplication,
  startCapturedPrograms,
} from '../support/captured-programs.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { findPeer, type PeerName, requirePeer } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { workload } from '../support/small-mesh.ts';

const caller = 'spiffe://cluster.local/ns/default/sa/front';
const source = (file: string): string => join(import.meta.dirname, 'captured', file);

interface Server {
  readonly peer: PeerName;
  /** Of its service and of its container. */
  readonly port: number;
  /** What it speaks, as YAML: by the name of the port, or as Kubernetes has it. */
  readonly protocol: string;
  command(program: string, folder: string): string[];
}

const servers = {
  postgres: {
    peer: 'postgres',
    port: 5432,
    protocol: 'name: tcp-postgres',
    command: (program, folder) => [
      'sh',
      source('database.sh'),
      'postgres',
      program,
      join(folder, 'postgres'),
    ],
  },
  mariadb: {
    peer: 'mariadbd',
    port: 3306,
    protocol: 'name: mysql',
    command: (program, folder) => ['sh', source('database.sh'), 'mariadb', program, join(folder, 'mariadb')],
  },
  redis: {
    peer: 'redis-server',
    port: 6379,
    protocol: 'name: cache, appProtocol: redis',
    // As the image of Redis has it: others than this machine are let in.
    command: (program, folder) => [program, '--dir', folder, '--save', '', '--protected-mode', 'no'],
  },
  nginx: {
    peer: 'nginx',
    port: 8080,
    protocol: 'name: http',
    command: (program, folder) => [program, '-e', 'stderr', '-c', join(folder, 'nginx.conf')],
  },
} satisfies Readonly<Record<string, Server>>;
type ServerName = keyof typeof servers;

describeInNamespaces('a server in a captured Pod', () => {
  let programs: CapturedPrograms;
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
    const config = readFileSync(source('nginx.conf'), 'utf8').replaceAll('FOLDER', folder);
    writeFileSync(join(folder, 'nginx.conf'), config);
    const images: Record<string, readonly string[]> = { 'back:1': ownApplication('witness.ts') };
    const documents = [
      workload({
        name: 'back',
        ports: '[{name: http, port: 80, targetPort: 8080}]',
        container: 'image: back:1\nports: [{containerPort: 8080}]',
      }),
    ];
    for (const [name, { peer, port, protocol, command }] of Object.entries<Server>(servers)) {
      const program = findPeer(peer);
      if (program === undefined) continue;
      images[`${name}:1`] = command(program, folder);
      const container = `image: ${name}:1\nports: [{containerPort: ${port}}]`;
      documents.push(workload({ name, ports: `[{${protocol}, port: ${port}}]`, container }));
    }
    programs = await startCapturedPrograms(images, documents.join(''), folder);
  });
  after(() => programs?.stop());

  /** A client's program, where its server is there too; undefined: the test is skipped. */
  const client = (t: TestContext, server: ServerName, peer: PeerName): string | undefined =>
    requirePeer(t, servers[server].peer) && requirePeer(t, peer);

  /** At the server's sidecar, what connections were that have begun. */
  async function assertSecured(server: ServerName): Promise<void> {
    const [instance] = programs.mesh.instancesOf(server);
    await eventually(async () => {
      const metrics = await programs.mesh.metricsOf(instance!);
      const opened = (policy: object): number =>
        sumOf(metrics, 'istio_tcp_connections_opened_total', { reporter: 'destination', ...policy });
      const secured = opened({ connection_security_policy: 'mutual_tls', source_principal: caller });
      assert.ok(secured > 0);
      assert.equal(opened({}), secured);
    });
  }

  test('PostgreSQL, asked by psql: with an offer of TLS and without, much at once, and many times', async (t) => {
    const psql = client(t, 'postgres', 'psql');
    if (psql === undefined) return;
    const ask = (sql: string, mode = 'prefer'): Promise<string> =>
      programs.run([psql, '-X', '-At', '-v', 'ON_ERROR_STOP=1'], {
        input: sql,
        env: { PGHOST: 'postgres', PGUSER: 'keeper', PGDATABASE: 'postgres', PGSSLMODE: mode },
      });
    assert.equal(await ask('select 6 * 7, inet_client_addr();'), '42|127.0.0.6\n');
    assert.equal(await ask('select 6 * 7;', 'disable'), '42\n');
    assert.equal(await ask("select repeat('much ', 1000000);"), `${'much '.repeat(1_000_000)}\n`);
    const rows = Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join('');
    const copied = await ask(
      `create table rows (n int);\ncopy rows from stdin;\n${rows}\\.\nselect sum(n) from rows;`,
    );
    assert.match(copied, /^199990000$/m);
    // The application has no TLS of its own: who insists on it is told so by the server itself.
    const insisting = { PGHOST: 'postgres', PGUSER: 'keeper', PGSSLMODE: 'require' };
    const { stderr } = await programs.attempt([psql, '-c', 'select 1'], { env: insisting });
    assert.match(stderr, /server does not support SSL/);
    await assertSecured('postgres');
  });

  test('MariaDB speaks first, and its client hears it at once', async (t) => {
    const mariadb = client(t, 'mariadb', 'mariadb');
    if (mariadb === undefined) return;
    const ask = (sql: string): Promise<string> =>
      programs.run([
        mariadb,
        '--no-defaults',
        '-h',
        'mariadb.default',
        '-N',
        '--connect-timeout=3',
        '-e',
        sql,
      ]);
    assert.equal(await ask('select 6 * 7'), '42\n');
    assert.equal(await ask("select repeat('much ', 1000000)"), `${'much '.repeat(1_000_000)}\n`);
    await assertSecured('mariadb');
  });

  test('Redis: what one client says, another hears; a value of a megabyte; many commands at once', async (t) => {
    const redis = client(t, 'redis', 'redis-cli');
    if (redis === undefined) return;
    const ask = (words: readonly string[], input = ''): Promise<string> =>
      programs.run([redis, '-h', 'redis.default.svc.cluster.local', ...words], { input });
    assert.equal(await ask(['set', 'colour', 'green']), 'OK\n');
    assert.equal(await ask(['get', 'colour']), 'green\n');
    const large = 'green'.repeat(200_000);
    assert.equal(await ask(['-x', 'set', 'large'], large), 'OK\n');
    assert.equal(await ask(['get', 'large']), `${large}\n`);
    const commands = Array.from({ length: 10_000 }, () => 'incr count\r\n').join('');
    assert.match(await ask(['--pipe'], commands), /errors: 0, replies: 10000/);
    assert.equal(await ask(['get', 'count']), '10000\n');
    await assertSecured('redis');
  });

  test('nginx serves, and is a proxy to others in the mesh', async (t) => {
    const curl = client(t, 'nginx', 'curl');
    if (curl === undefined) return;
    const get = (path: string): Promise<string> => programs.run([curl, '-sS', `http://nginx:8080${path}`]);
    assert.match(await get('/'), /^nginx asked by .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/front/);
    for (const path of ['/by-library', '/by-resolver', '/by-library']) {
      const { caller: seen, url } = JSON.parse(await get(path)) as { caller: string; url: string };
      assert.deepEqual([seen, url], [caller.replace('front', 'nginx'), '/'], path);
    }
  });
});
