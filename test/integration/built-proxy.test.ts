/** The proxy as it is installed: started by `bin/heddle`, from the bundles of `dist/`. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { bootstrap, cluster, httpListener } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { startProxyChild } from '../support/proxy-child.ts';
import { httpServer, ok } from '../support/raw-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';

const launcher = join(import.meta.dirname, '../../bin/heddle');
const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';

/** Writes the modules of Node that the process has loaded to standard error, on SIGWINCH. */
const tell = `process.on('SIGWINCH', () => console.error('LOADED ' +
  process.moduleLoadList.filter((name) => /^NativeModule (?!internal)/.test(name)).join(' ')));`;

describe('bin/heddle proxy', () => {
  test('serves, and loads nothing of Node that it does not need', async (t) => {
    const app = await httpServer(t, () => ok('hello'));
    const folder = tempDir(t);
    const preload = join(folder, 'tell.cjs');
    writeFileSync(preload, tell);
    const listener = httpListener({ routes: toApp }).replace('path: log', `path: ${folder}/log`);
    const admin = 'admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n';
    const text = admin + bootstrap([listener], [cluster('app', [app.port])]);
    const proxy = startProxyChild(t, text, {
      command: [launcher],
      environment: { NODE_OPTIONS: `--require=${preload}` },
    });
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    assert.equal(await (await fetch(url)).text(), 'hello');
    assert.equal((await proxy.admin('/config_dump')).status, 200);
    proxy.child.kill('SIGWINCH');
    const loaded = await eventually(() => {
      const line = /^LOADED (.*)$/m.exec(proxy.output())?.[1];
      assert.ok(line !== undefined, proxy.output());
      return line.split(' ');
    });
    assert.ok(loaded.includes('net'));
    for (const name of ['http', 'https', 'http2', 'crypto', 'tls', 'worker_threads', 'inspector']) {
      assert.ok(!loaded.includes(name), name);
    }
    proxy.child.kill('SIGTERM');
    assert.equal(await proxy.ended, 0);
  });

  test('serves on two threads', async (t) => {
    const folder = tempDir(t);
    const routes =
      '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: yes } } }]';
    const listener = httpListener({ routes }).replace('path: log', `path: ${folder}/log`);
    const admin = 'admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n';
    const proxy = startProxyChild(t, admin + bootstrap([listener], []), {
      command: [launcher],
      flags: ['--concurrency', '2'],
    });
    const url = `http://127.0.0.1:${await proxy.port('web')}/`;
    const answers = Array.from({ length: 20 }, async () => (await fetch(url)).text());
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(['yes']));
    const stats = await (await proxy.admin('/stats')).text();
    assert.match(stats, /^http\.web\.downstream_rq_2xx: 20$/m);
    assert.match(stats, /worker_1\.downstream_cx_total/);
    proxy.child.kill('SIGTERM');
    assert.equal(await proxy.ended, 0);
  });
});
