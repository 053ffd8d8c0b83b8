/** A mesh whose traffic is captured: applications that were told nothing of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { startTalkingMesh, type TalkingMesh } from '../support/talking-mesh.ts';

for (const sidecar of ['heddle', 'envoy'] as const) {
  describeInNamespaces(`a captured mesh, ${sidecar} beside its front end`, () => {
    if (sidecar === 'envoy' && findPeer('envoy') === undefined) {
      test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
    let mesh: TalkingMesh;
    before(async () => {
      mesh = await startTalkingMesh(folder, sidecar);
    });
    after(async () => {
      await mesh?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    test('HTTP by name: mutual TLS between them, and every replica has its turn', async () => {
      const seen = new Set<string>();
      for (const to of ['http://back/', 'http://back.default/', 'http://back.default.svc.cluster.local/']) {
        for (let i = 0; i < 10; i++) seen.add(await mesh.ask('front', 'http', { to }));
      }
      assert.deepEqual([...seen].sort(), [
        '200 back-1 asked by spiffe://cluster.local/ns/default/sa/front',
        '200 back-2 asked by spiffe://cluster.local/ns/default/sa/front',
      ]);
    });

    test('the other way round, and to itself', async () => {
      for (const who of ['back', 'front'] as const) {
        assert.equal(
          await mesh.ask(who, 'http', { to: 'http://front/' }),
          `200 front-1 asked by spiffe://cluster.local/ns/default/sa/${who}`,
        );
      }
    });

    test('a server that speaks first is heard at once', async () => {
      assert.match(await mesh.ask('front', 'tcp', { host: 'back', port: '7000' }), /^welcome to back-[12]$/);
      assert.equal(await mesh.ask('back', 'tcp', { host: 'front', port: '7000' }), 'welcome to front-1');
    });

    test('a service of both versions of IP, by either', async () => {
      const found = JSON.parse(await mesh.ask('front', 'lookup', { name: 'back' })) as { address: string }[];
      const [ipv4 = '', ipv6 = ''] = found.map(({ address }) => address).sort();
      assert.match(ipv4, /^10\.96\./);
      assert.match(ipv6, /^fd48:96::/);
      for (const host of [ipv4, `[${ipv6}]`])
        assert.match(
          await mesh.ask('front', 'http', { to: `http://${host}/` }),
          /^200 back-[12] asked by spiffe:/,
        );
      for (const host of [ipv4, ipv6])
        assert.match(await mesh.ask('front', 'tcp', { host, port: '7000' }), /^welcome to back-[12]$/);
    });

    for (const [who, other] of [
      ['front', 'back'],
      ['back', 'front'],
    ] as const) {
      test(`the application of the ${other} end cannot be reached past its sidecar`, async () => {
        const [instance] = mesh.instancesOf(other);
        const host = instance!.meshAddress;
        // Plain text, where only mutual TLS is taken: by HTTP and by TCP, at ports that were declared and others.
        assert.match(
          await mesh.ask(who, 'http', { to: `http://${host}:9080/` }),
          /ECONNRESET|UND_ERR_SOCKET|^503/,
        );
        for (const port of ['7000', '9080', '22']) {
          assert.doesNotMatch(await mesh.ask(who, 'tcp', { host, port }), /welcome/);
        }
      });
    }

    test('names as Kubernetes has them, and nothing of the mesh in the environment', async () => {
      const address = async (name: string): Promise<string> => {
        const said: unknown = JSON.parse(await mesh.ask('front', 'lookup', { name }));
        if (!Array.isArray(said)) return String(said);
        return (said as { address: string; family: number }[]).find(({ family }) => family === 4)!.address;
      };
      const service = await address('back');
      assert.match(service, /^10\.96\./);
      assert.equal(await address('back.default.svc.cluster.local'), service);
      assert.equal(await address('nobody.default.svc.cluster.local'), 'ENOTFOUND');
      const environment = JSON.parse(await mesh.ask('front', 'environment')) as Record<string, string>;
      assert.equal(environment.BACK_SERVICE_HOST, service);
      const added = Object.keys(environment).filter((name) => process.env[name] === undefined);
      for (const name of added) assert.doesNotMatch(name, /proxy|heddle|^HOST$/i);
    });

    const outward = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    test('what is outside the mesh', { skip: outward === undefined && 'no network' }, async (t) => {
      const seen: http.IncomingHttpHeaders[] = [];
      const outside = http.createServer(({ headers }, response) => {
        seen.push(headers);
        response.end('from outside');
      });
      outside.listen(0, outward);
      t.after(() => outside.close());
      await eventually(() => assert.ok(outside.listening));
      const { port } = outside.address() as AddressInfo;
      assert.equal(await mesh.ask('front', 'http', { to: `http://${outward}:${port}/` }), '200 from outside');
      const told = Object.keys(seen[0] ?? {}).filter((name) => /^x-envoy-|client-cert/.test(name));
      assert.deepEqual(told, []);
    });
  });
}
