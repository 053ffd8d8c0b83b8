/** Two Pods whose connections the kernel captures, with real sidecars on what the control plane would send them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sourceOfInbound } from '#host/network/capture-rules.ts';
import type { PodAddresses } from '#host/network/mesh-network.ts';
import {
  addresses,
  CapturedPods,
  hub,
  type Mode,
  type Place,
  podDocument,
  serviceDocument,
  strictDocument,
} from '../support/captured-pods.ts';
import { describeByFilter } from '../support/filters.ts';

/** From where a sidecar calls its application under REDIRECT. */
const ofSidecar: PodAddresses = { ipv4: sourceOfInbound[4], ipv6: sourceOfInbound[6] };

/** Port 9090 is one that nobody has told of. */
const mesh = [
  podDocument('web', []),
  podDocument('store', [8080]),
  serviceDocument('store', '10.96.7.1', '{name: http, port: 80, targetPort: 8080}'),
  serviceDocument('greeter', '10.96.7.2', '{name: tcp, port: 7000, targetPort: 7070}'),
  serviceDocument('greeters', 'None', '{name: tcp, port: 7070}'),
].join('');
const registryOnly = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: test}
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`;

/** Says where it was called, by whom, and who the sidecar says it was. */
const application = `
import { createServer as http } from 'node:http';
import { createServer as tcp } from 'node:net';
const plain = (address) => address.replace('::ffff:', '');
for (const port of [80, 8080, 9090]) http(({ socket, headers }, response) => {
  const { localAddress, localPort, remoteAddress } = socket;
  const caller = /URI=(spiffe:[^;]*)/.exec(headers['x-forwarded-client-cert'])?.[1] ?? 'unknown';
  response.end([plain(localAddress) + ' ' + localPort, plain(remoteAddress), caller].join(', '));
}).listen(port, ready);
tcp((socket) => socket.on('error', () => {}).end('welcome ' + plain(socket.remoteAddress))).listen(7070, ready);
let waiting = 4;
function ready() { if (--waiting === 0) console.log('ready'); }
`;
/** What the server says, if need be when it is asked; a sidecar that waits for the caller's first bytes is late by seconds. */
const listening = `
const [host, port, said] = process.argv.slice(1);
const { connect } = await import('node:net');
const startMs = performance.now();
let text = '';
const socket = connect({ host, port: Number(port) });
if (said !== undefined) socket.write(said);
socket.setEncoding('utf8').on('data', (more) => (text += performance.now() - startMs < 3000 ? more : 'late'))
  .on('error', ({ code }) => (text = code)).on('close', () => console.log(text));
`;

describeByFilter('captured traffic', (means) => {
  let pods: CapturedPods;
  before(async () => {
    pods = await CapturedPods.open(means);
    for (const place of ['store', 'hub'] as const) await pods.runApplication(place, application);
  });
  after(() => pods?.close());

  const get = (from: Place, url: string, ...host: string[]): Promise<string> => pods.get(from, url, ...host);
  const hear = (from: Place, host: string, port: number, ...said: string[]): Promise<string> =>
    pods.ask(from, listening, host, String(port), ...said);

  // What makes the rules is nothing to Envoy.
  const makes = means.filter.kind === 'nft' ? (['heddle', 'envoy'] as const) : (['heddle'] as const);
  for (const make of makes) {
    const sidecars = (mode: Mode, name: string, documents: string, check: () => Promise<void>): void =>
      void test(`${make}, ${mode}: ${name}`, (t) =>
        pods.withSidecars(t, { makes: { web: make, store: make }, mode, documents }, check));

    for (const mode of ['REDIRECT', 'TPROXY'] as const) {
      sidecars(mode, 'everything arrives where it was sent', mesh, () => arrives(mode));
    }

    async function arrives(mode: Mode): Promise<void> {
      const seenAs = (caller: PodAddresses): PodAddresses => (mode === 'TPROXY' ? caller : ofSidecar);
      const atApplication = (caller: PodAddresses): string =>
        `${addresses.store.ipv4} 8080, ${seenAs(caller).ipv4}`;
      const web = `${atApplication(addresses.web)}, spiffe://cluster.local/ns/default/sa/web`;
      const store = `${atApplication(addresses.store)}, spiffe://cluster.local/ns/default/sa/store`;
      // By the service's address, whatever it is called.
      assert.equal(await get('web', 'http://10.96.7.1/'), `200 ${web}`);
      assert.equal(await get('web', 'http://10.96.7.1/', 'store.default'), `200 ${web}`);
      assert.equal(await get('store', 'http://10.96.7.1/'), `200 ${store}`);
      assert.match(
        await hear('web', '10.96.7.1', 80, 'GET / HTTP/1.0\r\nhost: store\r\n\r\n'),
        / 200 OK[\s\S]*sa\/web$/,
      );
      // By the Pod's, as a host that the mesh does not know; and on a port that nobody has told of.
      assert.equal(
        await get('web', `http://${addresses.store.ipv4}:8080/`),
        `200 ${atApplication(addresses.web)}, unknown`,
      );
      assert.equal(
        await get('web', `http://${addresses.store.ipv4}:9090/`),
        `200 ${addresses.store.ipv4} 9090, ${seenAs(addresses.web).ipv4}, unknown`,
      );
      assert.equal(
        await get('web', `http://[${addresses.store.ipv6}]:9090/`),
        `200 ${addresses.store.ipv6} 9090, ${seenAs(addresses.web).ipv6}, unknown`,
      );
      assert.equal(
        await get('hub', `http://${addresses.store.ipv4}:8080/`),
        `200 ${atApplication(hub)}, unknown`,
      );
      assert.equal(
        await hear('web', addresses.store.ipv6, 7070, 'hello'),
        `welcome ${seenAs(addresses.web).ipv6}`,
      );
      // Out of the mesh.
      assert.match(await get('web', `http://${hub.ipv4}/`), /^200 10\.244\.0\.1 80, 10\.244\.1\.1/);
      assert.match(await get('web', `http://${hub.ipv4}:8080/`), /^200 10\.244\.0\.1 8080, 10\.244\.1\.1/);
      assert.equal(await hear('web', hub.ipv4, 7070), `welcome ${addresses.web.ipv4}`);
      // The sidecar's own port is nobody's.
      assert.equal(await get('hub', `http://${addresses.store.ipv4}:15006/`), 'ECONNRESET');
      await greetsAtOnce(seenAs(addresses.web));
    }

    sidecars('REDIRECT', 'only what is of the mesh', mesh + strictDocument + registryOnly, async () => {
      assert.match(await get('web', 'http://10.96.7.1/'), /^200 10\.244\.1\.2 8080, .*sa\/web$/);
      await greetsAtOnce(ofSidecar);
      for (const port of [8080, 9090]) {
        assert.equal(await get('hub', `http://${addresses.store.ipv4}:${port}/`), 'ECONNRESET');
      }
      assert.equal(await get('web', `http://${hub.ipv4}/`), '502');
      assert.equal(await get('web', `http://${hub.ipv4}:8080/`), 'ECONNRESET');
      assert.equal(await hear('web', hub.ipv4, 7070), '');
    });

    /** By the service's address and by the instance's. */
    async function greetsAtOnce({ ipv4 }: PodAddresses): Promise<void> {
      assert.equal(await hear('web', '10.96.7.2', 7000), `welcome ${ipv4}`);
      assert.equal(await hear('web', addresses.store.ipv4, 7070), `welcome ${ipv4}`);
    }
  }
});
