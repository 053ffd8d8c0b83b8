/** One control plane, and of Heddle and Envoy each a sidecar and a gateway that it drives, before the same backends. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { adminSocketPath } from '#api/admin-socket.ts';
import { type ApiClient, apiClient, requestJoinToken } from '#api/client.ts';
import { discoveryServices } from '#api/contract.ts';
import { httpProxyPort } from '#control/translate/outbound.ts';
import { leaseNetwork } from '#host/lease.ts';
import { document, type Places } from '../peers/configurations/configuration.ts';
import { TestRoot } from './certificates.ts';
import { type HeddleChild, startChild, startHeddle } from './child.ts';
import { eventually } from './eventually.ts';
import { JudgedBackends } from './judged-backends.ts';
import { type Judged, JudgedClient } from './judged-client.ts';
import { tempDir } from './temp-dir.ts';

const makes = ['heddle', 'envoy'] as const;
const kinds = ['sidecar', 'gateway'] as const;

export interface JudgedMesh {
  readonly places: Places;
  readonly proxies: readonly Judged[];
  readonly client: JudgedClient;
  /** Puts documents in force in place of those before, and resolves when every proxy has accepted all of it. */
  apply(documents: string): Promise<void>;
}

/** Undefined where there is no network of its own. @param envoy its program */
export async function startJudgedMesh(t: TestContext, envoy: string): Promise<JudgedMesh | undefined> {
  const folder = tempDir(t);
  const lease = await leaseNetwork(folder);
  if (!lease.ok) return undefined;
  t.after(() => lease.release());
  const proxies = kinds.flatMap((kind, k) =>
    makes.map((make, m): Judged => ({ make, kind, address: lease.meshAddress(2 * k + m) })),
  );
  const root = await TestRoot.create('outside');
  const inside = ['origin.example.com', 'backend.example.com'];
  const backends = new JudgedBackends(
    await root.issue({ dns: inside, commonName: 'origin.example.com' }),
    root.pem,
  );
  t.after(() => backends.close());
  const addresses = ['v1', 'v2', 'v3'].map((name, i) => [name, lease.meshAddress(10 + i)] as const);
  await Promise.all([
    ...addresses.map(([name, address]) => backends.add(name, address)),
    ...makes.flatMap((_, i) =>
      [8080, 8082, 8083].map((port) => backends.addHttp('application', lease.applicationAddress(i), port)),
    ),
  ]);
  const outsidePort = await backends.addHttp('outside', '127.0.0.1');
  const [alice, bob, simple] = await Promise.all([
    ...['alice', 'bob'].map((name) =>
      root.issue({ dns: [`${name}.example.com`], commonName: `${name}.example.com` }),
    ),
    root.issue({ dns: ['*.example.com'], commonName: 'simple' }),
  ]);
  writeFileSync(join(folder, 'ca.pem'), root.pem);
  writeFileSync(join(folder, 'alice.crt'), alice!.cert);
  writeFileSync(join(folder, 'alice.key'), alice!.key, { mode: 0o600 });
  const base = [
    ...addresses.map(([name, address]) => pod({ name, labels: { app: 'backend', version: name }, address })),
    ...proxies.map((judged) => proxyPod(judged, lease.applicationAddress(makes.indexOf(judged.make)))),
    ...makes.map((make) =>
      document(
        'v1',
        'Service',
        `server-${make}`,
        `{selector: {app: caller, make: ${make}}, ports: [{name: http, port: 80, targetPort: 8080}, {name: http-two, port: 82, targetPort: 8082}, {name: http-three, port: 83, targetPort: 8083}]}`,
      ),
    ),
    document(
      'networking.istio.io/v1',
      'Gateway',
      'edge',
      '{selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]}',
    ),
    secret('simple', { 'tls.crt': simple!.cert, 'tls.key': simple!.key, 'ca.crt': root.pem }),
  ].join('');
  const file = join(folder, 'mesh.yaml');
  const write = (more: string): void => {
    writeFileSync(`${file}.new`, base + more);
    renameSync(`${file}.new`, file);
  };
  write('');
  const { controlAddress } = lease;
  const state = join(folder, 'state');
  const control = startHeddle(t, ['control', file, '--state', state, '--address', controlAddress]);
  await control.says(/control\.started/);
  const said = await Promise.all(
    proxies.map((judged) => startProxy(t, { judged, envoy, folder, state, controlAddress })),
  );
  const client = new JudgedClient({ backends, ca: root.pem, clients: { alice: alice!, bob: bob! } });
  t.after(() => client.close());
  const api = apiClient(`http://${controlAddress}:15014`);
  let applied = 0;
  const apply = async (documents: string): Promise<void> => {
    const word = `marker-${++applied}`;
    write(`${documents}${marker(word)}`);
    await eventually(async () => assertAccepted(proxies, word), { everyMs: 100, timeoutMs: 60_000 }).catch(
      async (cause: unknown) => {
        const { problems } = await api.config();
        const found = problems.map((problem) => JSON.stringify(problem)).join('\n');
        throw new Error(
          `not in force:\n${found}\n${said.map((one) => one.output().slice(-3000)).join('\n')}`,
          { cause },
        );
      },
    );
    await eventually(() => assertInSync(api, proxies), { everyMs: 100 });
    client.renew();
  };
  return {
    places: { backends: Object.fromEntries(addresses), folder, outsidePort },
    ...{ proxies, client, apply },
  };
}

interface Start {
  readonly judged: Judged;
  readonly envoy: string;
  readonly folder: string;
  readonly state: string;
  readonly controlAddress: string;
}

/** What was in force ends soon: proxies keep connections to each other. */
const drains = ['--drain-time-s', '1'];

const nameOf = ({ make, kind }: Judged): string => `${make}-${kind}`;

async function startProxy(t: TestContext, start: Start): Promise<HeddleChild> {
  const { judged, envoy, folder, state, controlAddress } = start;
  const { make, kind, address } = judged;
  const name = nameOf(judged);
  const token = join(folder, `${name}.token`);
  const subject = { namespace: 'default', serviceAccount: 'default', pod: name };
  writeFileSync(token, (await requestJoinToken(adminSocketPath(state), subject)).token, { mode: 0o600 });
  const words = [
    ...['--control', `${controlAddress}:15012`, '--root-ca', join(state, 'ca', 'root-cert.pem')],
    ...['--token-file', token, '--name', name, '--address', address, '--interception-mode', 'NONE'],
    ...['--labels', JSON.stringify(labelsOf(judged))],
  ];
  if (make === 'heddle') return startHeddle(t, [kind, ...words, ...drains]);
  const own = join(folder, name);
  const agent = startHeddle(t, ['agent', ...words, '--state', own]);
  await agent.says(/agent\.ready/);
  const bootstrap = join(own, 'envoy-bootstrap.json');
  if (kind === 'gateway')
    writeFileSync(bootstrap, readFileSync(bootstrap, 'utf8').replace('"sidecar~', '"router~'));
  return startChild(t, envoy, [
    '-c',
    bootstrap,
    '--concurrency',
    '1',
    '--disable-hot-restart',
    '-l',
    'warn',
    ...drains,
  ]);
}

function labelsOf({ make, kind }: Judged): Readonly<Record<string, string>> {
  return kind === 'gateway'
    ? { istio: 'ingressgateway' }
    : { app: 'caller', make, 'istio-locality': 'here.near.by' };
}

function proxyPod(judged: Judged, application: string): string {
  const labels = labelsOf(judged);
  if (judged.kind === 'gateway') return pod({ name: nameOf(judged), labels, address: judged.address });
  return pod({
    name: nameOf(judged),
    labels: { ...labels, 'security.istio.io/tlsMode': 'istio' },
    address: judged.address,
    annotations: { 'heddle.dev/application-address': application },
    ports: [8080, 8082, 8083],
  });
}

interface WrittenPod {
  readonly name: string;
  readonly labels: object;
  readonly address: string;
  readonly annotations?: object;
  readonly ports?: readonly number[];
}

function pod({ name, labels, address, annotations = {}, ports = [] }: WrittenPod): string {
  const containers = [{ name, image: 'none', ports: ports.map((containerPort) => ({ containerPort })) }];
  return `${JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels, annotations } },
    spec: { containers },
    status: { podIP: address, conditions: [{ type: 'Ready', status: 'True' }] },
  })}\n---\n`;
}

const secret = (name: string, stringData: object): string =>
  `${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData })}\n---\n`;

/** By which a proxy tells that it has the newest of all. */
const marker = (word: string): string =>
  document(
    'networking.istio.io/v1',
    'VirtualService',
    'zz-marker',
    `{hosts: [${word}.example.com], gateways: [mesh, edge], http: [{directResponse: {status: 200, body: {string: ${word}}}}]}`,
  );

async function assertAccepted(proxies: readonly Judged[], word: string): Promise<void> {
  for (const judged of proxies)
    assert.equal(await markerOf(judged, `${word}.example.com`), word, nameOf(judged));
}

function markerOf({ kind, address }: Judged, host: string): Promise<string> {
  const way =
    kind === 'sidecar' ? { port: httpProxyPort, path: `http://${host}/` } : { port: 8080, path: '/' };
  return new Promise((resolve, reject) => {
    http
      .get(
        { host: address, ...way, headers: { host }, agent: false, setHost: false },
        (response) => void text(response).then(resolve, reject),
      )
      .on('error', reject);
  });
}

/** Nothing is refused, and nothing waits for what does not come. */
async function assertInSync(api: ApiClient, proxies: readonly Judged[]): Promise<void> {
  const statuses = await api.proxies();
  for (const judged of proxies) {
    const status = statuses.find(({ proxy }) => proxy === `${nameOf(judged)}.default`);
    for (const service of discoveryServices) {
      const { state, error } = status?.types[service] ?? {};
      assert.equal(error, undefined, `${nameOf(judged)} refuses ${service}`);
      assert.match(String(state), /^(SYNCED|NOT SENT|IGNORED)$/, `${nameOf(judged)} ${service}`);
    }
    const page = await fetch(`http://${judged.address}:15000/stats?filter=warming|update_rejected`);
    for (const line of (await page.text()).split('\n'))
      assert.doesNotMatch(line, /(warming\w*|update_rejected): [1-9]/, nameOf(judged));
  }
}
