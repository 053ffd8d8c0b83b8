/** Connections to ports whose protocol nothing says, between captured Pods: Heddle and Envoy on either side. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  addresses,
  CapturedPods,
  hub,
  type Make,
  type Mode,
  type Place,
  podDocument,
  serviceDocument,
  strictDocument,
} from '../support/captured-pods.ts';
import { TestRoot } from '../support/certificates.ts';
import { describeInNamespaces } from '../support/namespaces.ts';

const ports = {
  http: { service: 80, application: 8080 },
  h2c: { service: 81, application: 8081 },
  tls: { service: 82, application: 8443 },
  echo: { service: 83, application: 7070 },
  greeter: { service: 84, application: 7071 },
} as const;
/** Names that say nothing. */
const unnamed = Object.values(ports)
  .map(({ service, application }) => `{name: p${service}, port: ${service}, targetPort: ${application}}`)
  .join();
const address = '10.96.8.1';
const rewritten = (port: number): string => `  - match: [{port: ${port}, uri: {prefix: /old}}]
    rewrite: {uri: /new}
    route: [{destination: {host: any, port: {number: ${port}}}}]`;
const mesh = [
  podDocument('web', []),
  podDocument('store', []),
  serviceDocument('any', address, unnamed),
  `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: any, namespace: default}
spec:
  hosts: [any]
  http:
${[ports.http, ports.h2c].map(({ service }) => rewritten(service)).join('\n')}
---
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: test}
protocolDetectionTimeout: 2s
---`,
].join('');

/** One of its ports has the number of one that is HTTP elsewhere. */
const outside = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec:
  hosts: [outside.example.com]
  addresses: [10.244.0.0/30]
  resolution: NONE
  ports: [${Object.values(ports).map(({ application }) => `{number: ${application}, name: p${application}}`)}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.example.com]
  resolution: NONE
  ports: [{number: ${ports.greeter.application}, name: web, protocol: HTTP}]
---`;

/** Says which version of HTTP it was asked by, for what path, and who the sidecar says it was. */
const application = (cert: string, key: string): string => `
import { createServer as http } from 'node:http';
import { createServer as http2 } from 'node:http2';
import { createServer as https } from 'node:https';
import { createServer as tcp } from 'node:net';
const answer = (request, response) => {
  const caller = /URI=(spiffe:[^;]*)/.exec(request.headers['x-forwarded-client-cert'])?.[1] ?? 'unknown';
  response.end([request.httpVersion, request.url, caller].join(', '));
};
const ignore = () => {};
const { cert, key } = ${JSON.stringify({ cert, key })};
const servers = [
  [http(answer), ${ports.http.application}],
  [http2(answer), ${ports.h2c.application}],
  [https({ cert, key }, answer), ${ports.tls.application}],
  [tcp((socket) => socket.on('error', ignore).pipe(socket)), ${ports.echo.application}],
  [tcp((socket) => socket.on('error', ignore).end('welcome')), ${ports.greeter.application}],
];
let waiting = servers.length;
for (const [server, port] of servers) server.listen(port, () => --waiting === 0 && console.log('ready'));
`;

const asking = (module: string): string => `
const [url] = process.argv.slice(1);
const { get } = await import('node:${module}');
get(url, { rejectUnauthorized: false }, (response) => {
  let text = '';
  response.setEncoding('utf8').on('data', (more) => (text += more)).on('end', () => console.log(text));
}).on('error', ({ code }) => console.log(code));
`;
const askingH2c = `
const [url] = process.argv.slice(1);
const { connect } = await import('node:http2');
const session = connect(url).on('error', ({ code }) => console.log(code));
let text = '';
session.request({ ':path': new URL(url).pathname }).setEncoding('utf8').on('data', (more) => (text += more))
  .on('error', () => session.close()).on('end', () => session.close(() => console.log(text)));
`;
/** What comes back, if need be when something was said: as much as that. */
const talking = `
const [host, port, said] = process.argv.slice(1);
const { connect } = await import('node:net');
let text = '';
const socket = connect({ host, port: Number(port) });
if (said !== undefined) socket.write(said);
socket.setEncoding('utf8').on('data', (more) => (text += more).length === said?.length && socket.end())
  .on('error', ({ code }) => (text = code)).on('close', () => console.log(text));
`;

const sides: readonly (readonly [web: Make, store: Make])[] = [
  ['heddle', 'heddle'],
  ['heddle', 'envoy'],
  ['envoy', 'heddle'],
  ['envoy', 'envoy'],
];

describeInNamespaces('captured ports without protocol', (means) => {
  let pods: CapturedPods;
  before(async () => {
    const { cert, key } = await (await TestRoot.create('application')).issue({ dns: ['any'] });
    pods = await CapturedPods.open(means);
    for (const place of ['store', 'hub'] as const) await pods.runApplication(place, application(cert, key));
  });
  after(() => pods?.close());

  for (const [web, store] of sides) {
    const sidecars = (mode: Mode, name: string, documents: string, check: () => Promise<void>): void =>
      void test(`${web} to ${store}, ${mode}: ${name}`, (t) =>
        pods.withSidecars(t, { makes: { web, store }, mode, documents }, check));

    const permissive = async (): Promise<void> => {
      await isFoundOut('web', 'service', address, 'spiffe://cluster.local/ns/default/sa/web');
      // Without a sidecar, and by the Pod's address, which is nobody's service.
      await isFoundOut('hub', 'application', addresses.store.ipv4, 'unknown');
      await isFoundOut('web', 'application', addresses.store.ipv4, 'unknown');
    };
    sidecars('REDIRECT', 'PERMISSIVE', mesh, permissive);
    if (web === store) sidecars('TPROXY', 'PERMISSIVE', mesh, permissive);

    if (web === store) {
      sidecars('REDIRECT', 'a range of addresses outside', mesh + outside, () =>
        isFoundOut('web', 'application', hub.ipv4, 'unknown'),
      );
    }

    sidecars('REDIRECT', 'STRICT', mesh + strictDocument, async () => {
      await isFoundOut('web', 'service', address, 'spiffe://cluster.local/ns/default/sa/web');
      const url = `http://${addresses.store.ipv4}:${ports.http.application}/`;
      assert.equal(await pods.ask('hub', asking('http'), url), 'ECONNRESET');
    });
  }

  async function isFoundOut(
    from: Place,
    side: 'service' | 'application',
    host: string,
    caller: string,
  ): Promise<void> {
    const place = (name: keyof typeof ports): string => `${host}:${ports[name][side]}`;
    const talk = (name: keyof typeof ports, ...said: string[]): Promise<string> =>
      pods.ask(from, talking, host, String(ports[name][side]), ...said);
    const path = side === 'service' ? '/new/x' : '/old/x';
    assert.equal(
      await pods.ask(from, asking('http'), `http://${place('http')}/old/x`),
      `1.1, ${path}, ${caller}`,
    );
    assert.equal(await pods.ask(from, askingH2c, `http://${place('h2c')}/old/x`), `2.0, ${path}, ${caller}`);
    // The application's own TLS is nothing that anybody looks into.
    const tls = await pods.ask(from, asking('https'), `https://${place('tls')}/old/x`);
    assert.equal(tls, '1.1, /old/x, unknown');
    assert.equal(await talk('echo', 'hello\r\nyou'), 'hello\r\nyou');
    assert.equal(await talk('greeter'), 'welcome');
  }
});
