/** Hosts of ServiceEntries, called by an application that knows nothing of them, where nothing else may be called. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { eventually } from '../support/eventually.ts';
import {
  type OutsideMesh,
  type OutsidePlaces,
  outwardAddress,
  startOutsideMesh,
} from '../support/outside-hosts.ts';
import { findPeer, requirePeer } from '../support/peer.ts';

const istio = (kind: string, name: string, spec: string): string => `
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: {name: ${name}}
spec: ${spec}
---`;

/** Loopback of a captured Pod is its own: what is there is the application. */
const localPort = ({ one }: OutsidePlaces): number => (captureMode === 'always' ? 9080 : one);

const entries = (places: OutsidePlaces): string => {
  const { address, one, two, greeter, secure } = places;
  const http = (number: number, targetPort: number): string =>
    `[{number: ${number}, name: http, protocol: HTTP, targetPort: ${targetPort}}]`;
  return [
    istio(
      'ServiceEntry',
      'api',
      `{hosts: [api.example.com], resolution: STATIC, ports: ${http(80, one)}, endpoints: [{address: ${address}}]}`,
    ),
    istio(
      'ServiceEntry',
      'canary',
      `{hosts: [canary.example.com], resolution: STATIC, ports: ${http(80, one)},
  endpoints: [{address: ${address}, labels: {v: a}}, {address: ${address}, labels: {v: b}, ports: {http: ${two}}}]}`,
    ),
    istio(
      'DestinationRule',
      'canary',
      '{host: canary.example.com, subsets: [{name: a, labels: {v: a}}, {name: b, labels: {v: b}}]}',
    ),
    istio(
      'VirtualService',
      'canary',
      `
  hosts: [canary.example.com]
  http:
  - match: [{uri: {prefix: /broken}}]
    directResponse: {status: 418, body: {string: teapot}}
  - match: [{uri: {prefix: /other}}]
    rewrite: {authority: api.example.com}
    route: [{destination: {host: api.example.com}}]
  - route:
    - {destination: {host: canary.example.com, subset: a}, weight: 50}
    - {destination: {host: canary.example.com, subset: b}, weight: 50}`,
    ),
    istio(
      'ServiceEntry',
      'db',
      `{hosts: [db.example.com], resolution: STATIC, ports: [{number: 5432, name: tcp, protocol: TCP, targetPort: ${greeter}}],
  endpoints: [{address: ${address}}]}`,
    ),
    istio(
      'ServiceEntry',
      'named',
      `{hosts: [named.example.com], resolution: DNS, ports: ${http(80, localPort(places))}, endpoints: [{address: localhost}]}`,
    ),
    istio(
      'ServiceEntry',
      'one-by-one',
      `{hosts: [turn.example.com], resolution: DNS_ROUND_ROBIN, ports: ${http(80, localPort(places))}, endpoints: [{address: localhost}]}`,
    ),
    istio(
      'ServiceEntry',
      'secure',
      `{hosts: [secure.example.com], resolution: STATIC, ports: [{number: 443, name: https, protocol: HTTPS, targetPort: ${secure}}],
  endpoints: [{address: ${address}}]}`,
    ),
    istio(
      'ServiceEntry',
      'below',
      `{hosts: ["*.below.example.com"], ports: [{number: ${secure}, name: tls, protocol: TLS}, {number: ${one}, name: http, protocol: HTTP}]}`,
    ),
    // A host that need not be looked up, for there is nobody to ask.
    istio(
      'ServiceEntry',
      'dynamic',
      `{hosts: ["*${address.slice(address.indexOf('.'))}"], resolution: DYNAMIC_DNS, ports: [{number: ${one}, name: http, protocol: HTTP}]}`,
    ),
    istio(
      'ServiceEntry',
      'addressed',
      `{hosts: [addressed.example.com], addresses: [198.51.100.7], resolution: STATIC,
  ports: [{number: 7000, name: tcp, protocol: TCP, targetPort: ${greeter}}], endpoints: [{address: ${address}}]}`,
    ),
  ].join('');
};

for (const sidecar of ['heddle', 'envoy'] as const) {
  describe(`hosts of ServiceEntries, ${sidecar} beside the application`, () => {
    if (outwardAddress === undefined) {
      test('needs an address that Pods reach', { skip: 'no network' }, () => {});
      return;
    }
    if (sidecar === 'envoy' && findPeer('envoy') === undefined) {
      test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
      return;
    }
    let mesh: OutsideMesh;
    before(async () => {
      mesh = await startOutsideMesh({ sidecar, entries });
    });
    after(() => mesh?.stop());

    test('STATIC: by its name, at its own port, and the host is what the application says', async () => {
      assert.equal(await mesh.ask('http', { to: 'http://api.example.com/' }), '200 one for api.example.com');
    });

    test('weights, a reply, and another host by a VirtualService', async () => {
      const seen = new Set<string>();
      await eventually(async () => {
        seen.add(await mesh.ask('http', { to: 'http://canary.example.com/' }));
        assert.equal(seen.size, 2, [...seen].join());
      });
      assert.deepEqual([...seen].sort(), [
        '200 one for canary.example.com',
        '200 two for canary.example.com',
      ]);
      assert.equal(await mesh.ask('http', { to: 'http://canary.example.com/broken' }), '418 teapot');
      assert.equal(
        await mesh.ask('http', { to: 'http://canary.example.com/other' }),
        '200 one for api.example.com',
      );
    });

    test('TCP, a server that speaks first', async () => {
      assert.equal(await mesh.ask('tcp', { host: 'db.example.com', port: '5432' }), 'welcome');
      assert.equal(await mesh.ask('tcp', { host: 'addressed.example.com', port: '7000' }), 'welcome');
      assert.equal(await mesh.ask('tcp', { host: '198.51.100.7', port: '7000' }), 'welcome');
    });

    test('DNS: the sidecar looks the endpoint up', async () => {
      const expected = captureMode === 'always' ? '200 the application itself' : /^200 one for /;
      for (const host of ['named.example.com', 'turn.example.com'])
        assert.match(await mesh.ask('http', { to: `http://${host}/` }), new RegExp(expected));
    });

    test('TLS that the application speaks itself', async () => {
      const query = { host: 'secure.example.com', port: '443', name: 'secure.example.com' };
      assert.equal(await mesh.ask('tls', query), 'asked for secure.example.com');
    });

    test('nothing else: neither by another name nor by the address of what is known', async () => {
      const { address, two, greeter } = mesh.places;
      // Applications that were told of a proxy call this machine without it.
      const host = captureMode === 'always' ? address : 'unknown.example.com';
      assert.match(await mesh.ask('http', { to: `http://${host}:${two}/` }), /^502|ECONNRESET|hang up/);
      assert.match(
        await mesh.ask('tcp', { host: address, port: String(greeter) }),
        /ECONNRESET|closed|CONNECT 502/,
      );
    });

    describe('captured', { skip: captureMode !== 'always' && 'not captured' }, () => {
      test('addresses of its own for what has none, in both families, and the same for all', async () => {
        const found = JSON.parse(await mesh.ask('lookup', { name: 'api.example.com' })) as string[];
        assert.match(found[0]!, /^240\.240\.\d+\.\d+$/);
        assert.match(found[1]!, /^2001:2::[0-9a-f]+$/);
        for (const address of [found[0]!, `[${found[1]}]`])
          assert.match(await mesh.ask('http', { to: `http://${address}/` }), /^200 one/);
        assert.deepEqual(JSON.parse(await mesh.ask('lookup', { name: 'addressed.example.com' })), [
          '198.51.100.7',
        ]);
      });

      test('a wildcard, by the name in the ClientHello or the request, where the application goes', async () => {
        const { address: host, secure, one } = mesh.places;
        const port = String(secure);
        const name = 'a.below.example.com';
        assert.equal(await mesh.ask('tls', { host, port, name }), `asked for ${name}`);
        assert.match(await mesh.ask('tls', { host, port, name: 'b.example.org' }), /ECONNRESET|closed/);
        const to = `http://${host}:${one}/`;
        assert.equal(await mesh.ask('http', { to, host: name }), `200 one for ${name}`);
        assert.match(await mesh.ask('http', { to, host: 'b.example.org' }), /^502/);
      });

      test('a wildcard whose host the request names, wherever the application goes', async () => {
        const { address, one } = mesh.places;
        const host = `${address}:${one}`;
        assert.equal(
          await mesh.ask('http', { to: `http://198.51.100.99:${one}/`, host }),
          `200 one for ${host}`,
        );
      });

      test('the proxy asks other resolvers than the application does', () => {
        const resolversOf = (process: string): string =>
          readFileSync(`/proc/${mesh.processOf(process).pid}/root/etc/resolv.conf`, 'utf8');
        const proxy = sidecar === 'envoy' ? 'front-1.envoy' : 'front-1.sidecar';
        assert.match(resolversOf(proxy), /^nameserver 10\.244\.0\.1\n$/);
        assert.match(resolversOf('front-1'), /^nameserver 10\.96\.0\.10\n/);
      });
    });

    test('an edit takes hosts away', async () => {
      mesh.write(entries(mesh.places).replace('api.example.com]', 'moved.example.com]'));
      await eventually(async () => {
        assert.match(await mesh.ask('http', { to: 'http://moved.example.com/' }), /^200 one/);
      });
      assert.doesNotMatch(await mesh.ask('http', { to: 'http://api.example.com/' }), /^200/);
    });
  });
}
