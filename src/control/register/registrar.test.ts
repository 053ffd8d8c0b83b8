import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { type FakeClock, fakeClock } from '#core/clock.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { keyOf, type Resource } from '#model/kinds.ts';
import { loadDocuments } from '#model/load.ts';
import { isHealthy, labelsOfEntry, type WorkloadEntry } from '#model/workload-entry.ts';
import { silentLogger } from '#observe/log.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Caller } from '../serve/caller.ts';
import { indexResources } from '../store/resource-index.ts';
import { proxyNode } from '../translate/node.ts';
import type { EntryDocument } from './entry-document.ts';
import { type RegisteringStream, Registrar } from './registrar.ts';

const GRACE_MS = 10_000;
const BURST_MS = 20;
/** Of a control plane that has just started. */
const RESTART_GRACE_MS = 60_000;

const group = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms, namespace: shop}
spec:
  metadata: {labels: {app: reviews, version: vm}, annotations: {team: a}}
  template: {serviceAccount: reviews, ports: {http: 9080}, weight: 5, labels: {version: template, tier: back}}
`;
const probed = group.replace('spec:', 'spec:\n  probe: {tcpSocket: {port: 9080}}');
const service = (ports: string, more = 'selector: {app: reviews, tier: back}'): string =>
  `\n---\napiVersion: v1\nkind: Service\nmetadata: {name: reviews, namespace: shop}\nspec: {${more}, ports: [${ports}]}\n`;

interface Bench {
  readonly clock: FakeClock;
  readonly kept: Map<string, EntryDocument>;
  registrar: Registrar;
  publishes: number;
  write(text: string): void;
  /** A control plane after this one. */
  restart(): void;
  entries(): WorkloadEntry[];
  services(): string[];
}

function bench(text = ''): Bench {
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'));
  const kept = new Map<string, EntryDocument>();
  let written: readonly Resource[] = [];
  let published: readonly Resource[] = [];
  const pathOf = ({ metadata }: EntryDocument): string => `${metadata.namespace}.${metadata.name}.json`;
  const open = (): Registrar =>
    new Registrar(
      {
        files: {
          pathOf,
          keep: (document) => void kept.set(pathOf(document), document),
          forget: (document) => void kept.delete(pathOf(document)),
        },
        // Of two of one name that which somebody wrote counts.
        mesh: () => indexResources([...published, ...written]),
        publish(resources): void {
          published = resources;
          self.publishes++;
        },
        name: 'control-a',
        graceMs: GRACE_MS,
        clock,
        log: silentLogger,
      },
      [...kept.values()],
    );
  const self: Bench = {
    clock,
    kept,
    publishes: 0,
    registrar: undefined as unknown as Registrar,
    write(now): void {
      const before = written;
      written = loadDocuments([{ file: 'mesh.yaml', text: now }]).resources;
      self.registrar?.refresh([...before, ...written].map(keyOf));
      clock.advance(BURST_MS);
    },
    restart(): void {
      self.registrar.close();
      published = [];
      self.registrar = open();
    },
    entries: () => published.filter((one) => one.kind === 'WorkloadEntry'),
    services: () => published.filter((one) => one.kind === 'Service').map(({ metadata }) => metadata.name),
  };
  self.write(text);
  self.registrar = open();
  self.publishes = 0;
  return self;
}

interface StreamOptions {
  readonly metadata?: JsonObject;
  readonly name?: string;
  readonly account?: string;
  readonly namespace?: string;
  readonly peer?: string;
  readonly plaintext?: boolean;
}

function streamOf({
  metadata = { AUTO_REGISTER_GROUP: 'vms', INSTANCE_IPS: '10.0.0.7' },
  name = 'vm-1',
  account = 'reviews',
  namespace = 'shop',
  peer = '10.0.0.7:40000',
  plaintext = false,
}: StreamOptions = {}): RegisteringStream {
  const parsed = proxyNode(
    create(NodeSchema, {
      id: `sidecar~10.0.0.7~${name}.shop~shop.svc.cluster.local`,
      metadata: { NAMESPACE: 'shop', ...metadata },
    }),
  );
  assert.ok(parsed.ok, JSON.stringify(parsed.problems));
  const ref = { namespace, serviceAccount: account };
  const caller: Caller = {
    by: 'certificate',
    id: workloadId('cluster.local', ref),
    account: ref,
    pod: undefined,
  };
  return { node: parsed.value, caller: plaintext ? undefined : caller, peer };
}

const registers = (ports: JsonObject[], service = 'reviews', more: JsonObject = {}): JsonObject => ({
  HEDDLE_REGISTRATION: { service, ports },
  HEDDLE_INBOUND: 'BIND',
  INSTANCE_IPS: '10.0.0.7',
  ...more,
});
const http: JsonObject = { name: 'http', number: 9080, hostPort: 19_080 };

function connected(b: Bench, options?: StreamOptions): RegisteringStream {
  const stream = streamOf(options);
  assert.deepEqual(reasonOf(b, stream), '');
  b.clock.advance(BURST_MS);
  return stream;
}

function reasonOf(b: Bench, stream: RegisteringStream): string {
  const admission = b.registrar.connect(stream);
  return admission.ok ? '' : `${admission.code}: ${admission.reason}`;
}

describe('a member of a group', () => {
  test('has an entry made of the template, of the node and of who is who', () => {
    const b = bench(group);
    connected(b, {
      metadata: {
        AUTO_REGISTER_GROUP: 'vms',
        INSTANCE_IPS: '10.0.0.7',
        NETWORK: 'office',
        LABELS: { version: 'node' },
      },
    });
    const [entry] = b.entries();
    assert.ok(entry !== undefined);
    assert.equal(entry.metadata.name, 'vms-10.0.0.7-office');
    assert.deepEqual(labelsOfEntry(entry), { app: 'reviews', version: 'node', tier: 'back' });
    const { address, network, ports, weight, serviceAccount } = entry.spec;
    assert.deepEqual(
      { address, network, ports, weight, serviceAccount },
      { address: '10.0.0.7', network: 'office', ports: { http: 9080 }, weight: 5, serviceAccount: 'reviews' },
    );
    assert.deepEqual(entry.metadata.annotations, {
      team: 'a',
      'istio.io/autoRegistrationGroup': 'vms',
      'istio.io/workloadController': 'control-a',
      'istio.io/connectedAt': '2026-01-01T00:00:00.020Z',
    });
    assert.equal(isHealthy(entry), true);
  });

  test('stays for a while after its last stream', () => {
    const b = bench(group);
    const first = connected(b);
    const second = connected(b);
    b.registrar.disconnect(first);
    b.clock.advance(2 * GRACE_MS);
    assert.equal(b.entries().length, 1, 'a stream is left');
    b.registrar.disconnect(second);
    b.clock.advance(GRACE_MS - 1);
    assert.match(b.entries()[0]!.metadata.annotations['istio.io/disconnectedAt'] ?? '', /^2026/);
    b.clock.advance(1 + BURST_MS);
    assert.deepEqual(b.entries(), []);
    assert.equal(b.kept.size, 0);
  });

  test('that comes back in the moment it goes is taken in', () => {
    const b = bench(group);
    b.registrar.disconnect(connected(b));
    b.clock.advance(GRACE_MS);
    connected(b);
    assert.equal(b.entries().length, 1);
  });

  test('that comes back in time was never away', () => {
    const b = bench(group);
    b.registrar.disconnect(connected(b));
    b.clock.advance(GRACE_MS - 1);
    connected(b);
    b.clock.advance(10 * GRACE_MS);
    const [entry] = b.entries();
    assert.equal(entry?.metadata.annotations['istio.io/disconnectedAt'], undefined);
  });

  test('outlives restarts of the control plane, once, and for so long as clients need to come back', () => {
    const b = bench(probed);
    b.registrar.report(connected(b), undefined);
    for (let i = 0; i < 3; i++) {
      b.restart();
      assert.equal(b.entries().length, 1);
      assert.equal(isHealthy(b.entries()[0]!), true);
      b.clock.advance(5000);
    }
    const stream = connected(b);
    b.clock.advance(RESTART_GRACE_MS);
    assert.equal(b.entries().length, 1);
    b.restart();
    b.registrar.disconnect(stream);
    b.clock.advance(RESTART_GRACE_MS / 2);
    b.restart();
    b.clock.advance(RESTART_GRACE_MS / 2 + BURST_MS);
    assert.deepEqual(b.entries(), [], 'a restart does not begin the time anew');
  });

  test('is as its group now says', () => {
    const b = bench(group);
    connected(b);
    b.write(group.replace('weight: 5', 'weight: 7'));
    assert.equal(b.entries()[0]?.spec.weight, 7);
    b.write('');
    assert.equal(b.entries()[0]?.spec.weight, 7, 'a group that goes away takes nobody with it');
  });

  test('with a probe is an endpoint only while it says that it is healthy', () => {
    const b = bench(probed);
    const stream = connected(b);
    const says = (failure: string | undefined): void => {
      b.registrar.report(stream, failure);
      b.clock.advance(BURST_MS);
    };
    const healthy = (): boolean => isHealthy(b.entries()[0]!);
    assert.equal(healthy(), false, 'nobody has said so yet');
    says(undefined);
    assert.equal(healthy(), true);
    const { publishes } = b;
    says(undefined);
    assert.equal(b.publishes, publishes, 'the same again is nothing new');
    says('HTTP status 503');
    assert.equal(healthy(), false);
    assert.deepEqual(
      b.entries()[0]?.status.conditions.map(({ status, message }) => [status, message]),
      [['False', 'HTTP status 503']],
    );
    b.registrar.disconnect(stream);
    connected(b);
    assert.equal(healthy(), false, 'who comes back is as healthy as before');
  });
});

describe('an instance of a service', () => {
  test('has the labels and the ports that the service looks for', () => {
    const b = bench(service('{name: web, port: 80, targetPort: http}'));
    connected(b, { metadata: registers([http], 'reviews', { LABELS: { app: 'other', version: 'v2' } }) });
    const [entry] = b.entries();
    assert.ok(entry !== undefined);
    assert.equal(entry.metadata.name, 'vm-1');
    assert.deepEqual(labelsOfEntry(entry), { app: 'reviews', tier: 'back', version: 'v2' });
    assert.deepEqual([entry.spec.ports, entry.spec.serviceAccount], [{ http: 19_080 }, 'reviews']);
    assert.deepEqual(b.services(), []);
  });

  test('that is to say how it is, is an endpoint once it has said that it is well', () => {
    const b = bench();
    const stream = connected(b, { metadata: registers([http], 'reviews', { HEDDLE_HEALTH: 'REPORTED' }) });
    assert.equal(isHealthy(b.entries()[0]!), false);
    b.registrar.report(stream, undefined);
    b.clock.advance(BURST_MS);
    assert.equal(isHealthy(b.entries()[0]!), true);
  });

  test('makes a service where there is none, for as long as somebody is registered', () => {
    const b = bench();
    const stream = connected(b, { metadata: registers([http]) });
    assert.deepEqual(b.services(), ['reviews']);
    const other = connected(b, { name: 'vm-2', metadata: registers([http]) });
    b.registrar.disconnect(stream);
    b.clock.advance(GRACE_MS + BURST_MS);
    assert.deepEqual([b.services(), b.entries().length], [['reviews'], 1]);
    b.registrar.disconnect(other);
    b.clock.advance(GRACE_MS + BURST_MS);
    assert.deepEqual([b.services(), b.entries()], [[], []]);
  });

  test('belongs to the service that somebody writes meanwhile', () => {
    const b = bench();
    connected(b, { metadata: registers([http]) });
    b.write(service('{name: http, port: 80, targetPort: 9080}'));
    assert.deepEqual(b.services(), []);
    assert.deepEqual(labelsOfEntry(b.entries()[0]!), { app: 'reviews', tier: 'back' });
    b.write('');
    assert.deepEqual(b.services(), ['reviews']);
  });
});

test('the health of an instance counts where it is told, and the worst where two tell', () => {
  const b = bench();
  const proxy = streamOf({ metadata: registers([http]) });
  assert.equal(reasonOf(b, proxy), '');
  b.registrar.report(proxy, 'it does not listen on 9080');
  b.clock.advance(BURST_MS);
  const healthy = (): boolean => isHealthy(b.entries()[0]!);
  assert.equal(healthy(), false, 'it never was an endpoint');
  const probe = connected(b, { metadata: registers([http]) });
  const says = (stream: RegisteringStream, failure?: string): boolean => {
    b.registrar.report(stream, failure);
    b.clock.advance(BURST_MS);
    return healthy();
  };
  assert.equal(says(probe), false);
  assert.equal(says(proxy), true);
  assert.equal(says(probe, 'HTTP status 503'), false);
  assert.equal(says(proxy), false);
  b.write(service('{name: http, port: 9080}'));
  assert.equal(healthy(), false, 'another Service makes nobody well');
});

describe('refused', () => {
  const other = { namespace: 'elsewhere' };
  const pod = `\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: vm-1, namespace: shop}\nspec: {containers: [{name: a, image: "b:1"}]}\n`;
  const written = `\n---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vms-10.0.0.7, namespace: shop}\nspec: {address: 10.0.0.7}\n`;
  const at = (address: string): StreamOptions => ({
    metadata: { AUTO_REGISTER_GROUP: 'vms', INSTANCE_IPS: address },
  });
  const cases: [why: string, text: string, options: StreamOptions, reason: RegExp][] = [
    ['no proof', group, { plaintext: true }, /^denied: .*over the TLS port/],
    [
      'another namespace',
      group,
      other,
      /^denied: spiffe:.*elsewhere.* may not register in the namespace shop/,
    ],
    ['another account', group, { account: 'ratings' }, /^denied: .*may not join.*run as reviews/],
    [
      'no such group',
      group,
      { metadata: { AUTO_REGISTER_GROUP: 'vm' } },
      /^unfit: there is no WorkloadGroup shop\/vm \(did you mean "vms"\?\)/,
    ],
    ['a Pod of that name', group + pod, {}, /^unfit: there is a Pod shop\/vm-1/],
    [
      'an entry of that name',
      group + written,
      {},
      /^unfit: there is a WorkloadEntry shop\/vms-10\.0\.0\.7 in mesh\.yaml/,
    ],
    ['an address of nobody', group, at('0.0.0.0'), /^unfit: 0\.0\.0\.0 is not the address of one host/],
    ['an address of many', group, at('ff02::1'), /^unfit: ff02::1 is not/],
    [
      'ports that the service does not have',
      service('{name: tcp, port: 1}'),
      { metadata: registers([http]) },
      /^unfit: the Service shop\/reviews has no port http \(9080\) and a port tcp \(1\) that is not registered; its ports are tcp \(1\)/,
    ],
    [
      'a service without selector',
      service('{name: http, port: 1}', 'type: ClusterIP'),
      { metadata: registers([http]) },
      /^unfit: the Service shop\/reviews has no selector/,
    ],
  ];
  for (const [why, text, options, reason] of cases) {
    test(why, () => {
      const b = bench(text);
      assert.match(reasonOf(b, streamOf(options)), reason);
      b.clock.advance(BURST_MS);
      assert.deepEqual(b.entries(), []);
    });
  }

  test('a name that somebody else has', () => {
    const b = bench();
    connected(b, { metadata: registers([http]) });
    const stranger = streamOf({ account: 'ratings', metadata: registers([http]) });
    assert.match(reasonOf(b, stranger), /shop\/vm-1 is registered by spiffe:.*reviews: choose another name/);
  });

  test('who would be accepted for what others run as', () => {
    const deployment = `\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: reviews, namespace: shop}\nspec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews, tier: back}}, spec: {serviceAccountName: bookinfo, containers: [{name: a, image: "b:1"}]}}}\n`;
    const b = bench(service('{name: http, port: 9080}') + deployment);
    const stranger = streamOf({ metadata: registers([http]) });
    assert.match(
      reasonOf(b, stranger),
      /^denied: .*sa\/reviews may not be an instance of the Service shop\/reviews, whose instances run as bookinfo/,
    );
    assert.equal(reasonOf(b, streamOf({ account: 'bookinfo', metadata: registers([http]) })), '');
    const made = bench();
    assert.equal(reasonOf(made, streamOf({ metadata: registers([http]) })), '');
    const second = streamOf({ name: 'vm-2', account: 'ratings', metadata: registers([http]) });
    assert.match(reasonOf(made, second), /^denied: .*run as reviews/, 'before the first is published');
  });

  test('other ports than those that came first, of a service that nobody wrote', () => {
    const b = bench();
    connected(b, { metadata: registers([http]) });
    const second = streamOf({ name: 'vm-2', metadata: registers([{ ...http, name: 'grpc' }]) });
    assert.match(
      reasonOf(b, second),
      /vm-1 has registered shop\/reviews with the ports http \(9080\), not grpc/,
    );
  });
});

test('an address that is not that of the peer is told, and taken', () => {
  const b = bench(group);
  const stream = connected(b, { peer: '192.0.2.1:40000' });
  assert.match(
    b.registrar.viewOf(stream)?.warning ?? '',
    /registered at 10\.0\.0\.7 and comes from 192\.0\.2\.1/,
  );
  assert.equal(b.registrar.viewOf(connected(b, { peer: '::ffff:10.0.0.7:40000' }))?.warning, undefined);
});

test('many at once are told once', () => {
  const b = bench(group);
  for (let i = 1; i <= 200; i++) {
    const metadata = { AUTO_REGISTER_GROUP: 'vms', INSTANCE_IPS: `10.0.1.${i}` };
    assert.equal(reasonOf(b, streamOf({ name: `vm-${i}`, metadata })), '');
  }
  b.clock.advance(BURST_MS);
  assert.deepEqual([b.publishes, b.entries().length], [1, 200]);
});

test('who registers nothing is none of its business', () => {
  const b = bench(group);
  const stream = streamOf({ metadata: {}, plaintext: true });
  assert.deepEqual(b.registrar.connect(stream), { ok: true });
  b.registrar.report(stream, 'x');
  b.registrar.disconnect(stream);
  assert.equal(b.publishes, 0);
});
