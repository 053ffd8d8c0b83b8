/** The walk through `docs/run.md`, as it stands there but for addresses and ports. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { adminSocketPath } from '#api/admin-socket.ts';
import { eventually } from '../support/eventually.ts';
import { blocksOf, commandsOf } from '../support/markdown.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { type RunChild, startRunChild } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = resolve(import.meta.dirname, '../..');

describeInNamespaces('the walk through docs/run.md', () => {
  test('works', async (t) => {
    const text = readFileSync(join(root, 'docs/run.md'), 'utf8');
    const commands = blocksOf(text)
      .filter(({ language }) => language === 'sh')
      .flatMap(commandsOf);
    const folder = tempDir(t);
    mkdirSync(join(folder, 'mesh'));
    const strict = 'spec: {mtls: {mode: STRICT}}';
    writeFileSync(
      join(folder, 'mesh', 'strict.yaml'),
      `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: istio-system}\n${strict}\n`,
    );
    writeFileSync(
      join(folder, 'reviews.js'),
      `require('node:http').createServer((_, response) => response.end('five stars')).listen(9080, () => console.log('listens'));`,
    );
    const env = { PATH: `${join(root, 'bin')}:${process.env.PATH}` };
    let tlsPort = '';
    const real = (command: string): string =>
      command
        .replaceAll('192.0.2.1:15012', `127.0.0.1:${tlsPort}`)
        .replaceAll('192.0.2.1', '127.0.0.1')
        .replace('http:9080 --', 'http:0:9080 --');
    const start = (command: string): RunChild =>
      startRunChild(t, ['/bin/sh', '-ec', `cd ${folder}; umask 077; exec ${real(command)}`], { env });
    const [control, ...rest] = commands;
    const ports = '--xds-port 0 --secure-xds-port 0 --api-port 0';
    [, tlsPort = ''] = await start(`${control} ${ports}`).says(/control\.started .*tls=(\d+)/);
    await eventually(() => assert.ok(existsSync(adminSocketPath(join(folder, 'state')))));
    const tokens = rest.filter((command) => command.startsWith('heddle token'));
    for (const command of tokens) {
      execFileSync('/bin/sh', ['-ec', `cd ${folder}; umask 077; ${command}`], {
        env: { ...process.env, ...env },
        stdio: 'ignore',
      });
    }
    copyFileSync(join(folder, 'state/ca/root-cert.pem'), join(folder, 'root-cert.pem'));
    const [serve, call, ...more] = rest.filter((command) => command.startsWith('heddle run'));
    assert.deepEqual([tokens.length, more], [2, []]);
    await start(serve!).says(/listens/);
    const shopper = start(call!);
    assert.equal(await shopper.ended, 0, shopper.stderr());
    assert.equal(shopper.stdout(), 'five stars');
  });
});
