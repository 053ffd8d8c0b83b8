/** Which names the DNS of proxies is told, of services of every kind and the pods behind them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, toJson } from '@bufbuild/protobuf';
import { loadDocuments } from '#model/load.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { indexResources, type ResourceIndex } from '../store/resource-index.ts';
import { translateNames } from './name-table.ts';
import { proxyNode } from './node.ts';
import { buildSnapshot } from './snapshot.ts';

interface PodInput {
  readonly name: string;
  readonly app: string;
  readonly ip: string;
  readonly ready?: boolean;
}

function pod({ name, app, ip, ready = true }: PodInput): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${app}}}
spec: {containers: [{name: main, image: x, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: "${ip}", conditions: [{type: Ready, status: "${ready ? 'True' : 'False'}"}]}
`;
}

const statefulSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: x, ports: [{name: web, containerPort: 8080}]}]}
`;

function service(name: string, spec: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: ${spec}
`;
}

function index(...documents: readonly string[]): ResourceIndex {
  return indexResources(loadDocuments([{ file: 'input', text: documents.join('---') }]).resources);
}

function tableOf(...documents: readonly string[]): unknown {
  const { table } = toJson(NameTableSchema, translateNames(index(...documents))) as { table?: object };
  return table ?? {};
}

const common = { registry: 'Kubernetes', namespace: 'default' };
const ports = [{ name: 'http', protocol: 'tcp', number: 80 }];
const targetPorts = [{ name: 'http', protocol: 'tcp', number: 8080 }];
const http = 'ports: [{name: http, port: 80, targetPort: web}]';

describe('the names of', () => {
  test('a service are its address and ports, whoever is behind it', () => {
    assert.deepEqual(
      tableOf(
        service('reviews', `{clusterIP: 10.96.1.1, selector: {app: reviews}, ${http}}`),
        pod({ name: 'reviews-0', app: 'reviews', ip: '10.1.0.1' }),
      ),
      { 'reviews.default.svc.cluster.local': { ...common, shortname: 'reviews', ips: ['10.96.1.1'], ports } },
    );
  });

  test('a ServiceEntry are its addresses, or those of our own; none for what applications find themselves', () => {
    const entry = (name: string, spec: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec: {${spec}, ports: [{number: 80, name: http, protocol: HTTP}]}
`;
    const registry = 'External';
    assert.deepEqual(
      tableOf(
        entry('said', 'hosts: [A.example.com, "*.b.example.com"], addresses: [198.51.100.7, 192.0.2.0/24]'),
        entry('given', 'hosts: [api.example.com], resolution: DNS'),
        entry('found', 'hosts: [c.example.com, "*.d.example.com"]'),
      ),
      {
        'a.example.com': { registry, ips: ['198.51.100.7'] },
        '*.b.example.com': { registry, ips: ['198.51.100.7'] },
        'api.example.com': { registry, ips: ['240.240.70.91', '2001:2::465b'] },
      },
    );
  });

  test('a service without an address in its manifest have one of our own', () => {
    const made = index(service('reviews', `{selector: {app: reviews}, ${http}}`));
    const host = 'reviews.default.svc.cluster.local';
    assert.deepEqual(translateNames(made).table[host]?.ips, [...made.addressesOf(host)]);
  });

  test('a headless service are its ready pods, those of a StatefulSet by their own names', () => {
    assert.deepEqual(
      tableOf(
        service('db', `{clusterIP: None, selector: {app: db}, ${http}}`),
        statefulSet,
        pod({ name: 'db-0', app: 'db', ip: '10.1.0.5' }),
        pod({ name: 'db-1', app: 'db', ip: '10.1.0.6', ready: false }),
        pod({ name: 'db-2', app: 'db', ip: 'fd00::7' }),
      ),
      {
        'db.default.svc.cluster.local': {
          ...common,
          shortname: 'db',
          ips: ['10.1.0.5', 'fd00::7'],
          ports,
        },
        'db-0.db.default.svc.cluster.local': {
          ...common,
          shortname: 'db-0.db',
          ips: ['10.1.0.5'],
          ports: targetPorts,
        },
        'db-2.db.default.svc.cluster.local': {
          ...common,
          shortname: 'db-2.db',
          ips: ['fd00::7'],
          ports: targetPorts,
        },
      },
    );
  });

  test('pods of no StatefulSet, or of one that is named after another service, are their addresses', () => {
    const documents = [
      service('any', `{clusterIP: None, publishNotReadyAddresses: true, selector: {app: db}}`),
      statefulSet,
      pod({ name: 'db-0', app: 'db', ip: '10.1.0.5' }),
      pod({ name: 'db-1', app: 'db', ip: 'fd00::7', ready: false }),
    ];
    assert.deepEqual(Object.keys(tableOf(...documents) as object).sort(), [
      '10-1-0-5.any.default.svc.cluster.local',
      'any.default.svc.cluster.local',
      'fd00--7.any.default.svc.cluster.local',
    ]);
  });

  test('a headless service without a ready pod are there, and have no address', () => {
    assert.deepEqual(tableOf(service('db', '{clusterIP: None, selector: {app: db}}')), {
      'db.default.svc.cluster.local': { ...common, shortname: 'db' },
    });
  });

  test('something elsewhere are that', () => {
    assert.deepEqual(tableOf(service('cdn', '{type: ExternalName, externalName: www.example.com}')), {
      'cdn.default.svc.cluster.local': { ...common, shortname: 'cdn', externalName: 'www.example.com' },
    });
  });
});

test('one state of the mesh gives the same bytes for everybody', () => {
  const made = index(service('reviews', `{${http}}`), service('db', '{clusterIP: None}'));
  assert.deepEqual(translateNames(made), translateNames(made));
});

test('an agent is told them, and nothing of what the proxy beside it is', () => {
  const made = index(service('reviews', `{${http}}`), pod({ name: 'web', app: 'web', ip: '10.1.0.5' }));
  const node = proxyNode(create(NodeSchema, { id: 'agent~10.1.0.5~web.default~default.svc.cluster.local' }));
  assert.ok(node.ok);
  const { names, ...others } = buildSnapshot(made, node.value);
  assert.deepEqual(names, translateNames(made));
  assert.deepEqual(Object.values(others).flat(), []);
});
