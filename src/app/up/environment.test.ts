import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applicationEnvironment, type EnvironmentInput } from './environment.ts';
import { assignServicePorts, servicePortKey } from './service-plan.ts';
import type { ServicePortPlan } from './workload-plan.ts';

const services: ServicePortPlan[] = [
  { service: 'reviews', namespace: 'default', name: 'http', port: 9080, http: true },
  { service: 'stock-db', namespace: 'default', name: 'tcp-sql', port: 5432, http: false },
  { service: 'stock-db', namespace: 'default', name: 'tcp-admin', port: 5433, http: false },
  { service: 'elsewhere', namespace: 'other', port: 7000, http: false },
];
const input: EnvironmentInput = {
  base: { HOME: '/home/a', http_proxy: 'http://company:3128', NODE_OPTIONS: '--inspect', EMPTY: undefined },
  pathWithNode: '/node/bin:/bin',
  pod: {
    name: 'shop-1',
    namespace: 'default',
    uid: 'b4d3',
    labels: { app: 'shop' },
    annotations: { team: 'a' },
    serviceAccount: 'seller',
    nodeName: 'laptop',
    hostIp: '127.0.0.1',
    podIp: '127.7.1.1',
  },
  captured: false,
  applicationAddress: '127.7.128.1',
  container: {
    name: 'shop',
    image: 'shop',
    command: ['node'],
    workingDirectory: '/',
    imageWords: 1,
    probes: {},
    lifecycle: {},
    mounts: [],
    env: {
      HOST: '0.0.0.0',
      COLOUR: 'green',
      SHADE: 'light',
      FILE: '$(HEDDLE_VOLUME_APP_CONFIG)/x $(PORT) $$',
    },
    variables: [
      { name: 'COLOUR', value: 'red' },
      {
        name: 'PAINT',
        value: '$(SHADE) $(COLOUR) $(LATER) $$(COLOUR) $(HOME) $(constructor)',
        expands: true,
      },
      { name: 'RAW', value: '$(COLOUR)' },
      { name: 'LATER', value: 'too late' },
      { name: 'POD_IP', fieldPath: 'status.podIP' },
      { name: 'TEAM', fieldPath: "metadata.annotations['team']" },
      { name: 'NOTHING', fieldPath: "metadata.labels['constructor']" },
      { name: 'NOBODY', fieldPath: "metadata.labels['nobody']" },
      { name: 'URL', value: 'http://$(POD_IP):$(PORT)', expands: true },
    ],
    ports: [{ containerPort: 9080 }, { containerPort: 9081 }],
  },
  services,
  volumes: new Map([['app-config', '/etc/app']]),
  servicePorts: new Map([
    ['stock-db.default.svc.cluster.local:5432', 5432],
    ['stock-db.default.svc.cluster.local:5433', 21_000],
    ['elsewhere.other.svc.cluster.local:7000', 7000],
  ]),
  sidecarAddress: '127.7.1.1',
  controlAddress: '127.7.0.1',
};

describe('applicationEnvironment', () => {
  const { all: env, own } = applicationEnvironment(input);

  test('the machine has no say in what $(NAME) stands for', () => assert.equal(own.HOME, undefined));

  const expected: readonly (readonly [name: string, value: string | undefined, why: string])[] = [
    ['HOME', '/home/a', 'the machine stays visible'],
    ['PATH', '/node/bin:/bin', 'with our Node first'],
    ['NODE_OPTIONS', undefined, 'ours are not theirs'],
    ['HOST', '127.7.128.1', 'the address only its sidecar connects to, whatever the manifest says'],
    ['PORT', '9080', 'the first port'],
    ['COLOUR', 'red', "the container's own"],
    ['SHADE', 'light', 'of the image'],
    ['HEDDLE_VOLUME_APP_CONFIG', '/etc/app', 'where a volume is'],
    ['FILE', '/etc/app/x $(PORT) $$', 'of the image, which may name nothing but volumes'],
    [
      'PAINT',
      'light red $(LATER) $(COLOUR) $(HOME) $(constructor)',
      'variables before it, and neither later ones nor those of the machine',
    ],
    ['RAW', '$(COLOUR)', 'what a ConfigMap holds is put in as it is'],
    ['POD_IP', '127.7.1.1', 'of the Pod'],
    ['TEAM', 'a', 'an annotation'],
    ['NOBODY', '', 'a label that is not there'],
    ['NOTHING', '', 'what every object has is no label'],
    ['URL', 'http://127.7.1.1:9080', 'both'],
    ['HOSTNAME', 'shop-1', 'as in a container'],
    ['http_proxy', 'http://127.7.1.1:15007', 'the sidecar, not that of the company'],
    ['HTTP_PROXY', 'http://127.7.1.1:15007', 'both spellings'],
    ['grpc_proxy', 'http://127.7.1.1:15007', "gRPC's own name"],
    ['NODE_USE_ENV_PROXY', '1', 'Node looks only when told'],
    ['STOCK_DB_SERVICE_HOST', '127.7.1.1', 'a TCP service is a listener of the sidecar'],
    ['STOCK_DB_SERVICE_PORT', '5432', 'the first port has the short name'],
    ['STOCK_DB_SERVICE_PORT_TCP_ADMIN', '21000', 'others their own'],
    ['STOCK_DB_PORT', 'tcp://127.7.1.1:5432', "Docker's form"],
    ['STOCK_DB_PORT_5433_TCP', 'tcp://127.7.1.1:21000', 'named by the port of the service'],
    ['STOCK_DB_PORT_5433_TCP_ADDR', '127.7.1.1', ''],
    ['STOCK_DB_PORT_5433_TCP_PORT', '21000', ''],
    ['STOCK_DB_PORT_5433_TCP_PROTO', 'tcp', ''],
    [
      'REVIEWS_SERVICE_HOST',
      'reviews.default.svc.cluster.local',
      'an HTTP service by its name, which the proxy knows',
    ],
    ['REVIEWS_SERVICE_PORT', '9080', ''],
    ['ELSEWHERE_SERVICE_HOST', undefined, 'other namespaces are not told of (Kubernetes)'],
    ['GRPC_XDS_BOOTSTRAP', undefined, 'only where it speaks xDS'],
  ];
  for (const [name, value, why] of expected) {
    test(`${name}${why === '' ? '' : `: ${why}`}`, () => assert.equal(env[name], value));
  }

  test('addresses of the mesh are reached without the proxy', () => {
    const direct = env.no_proxy!.split(',');
    for (const address of ['localhost', '127.0.0.1', '127.7.0.1', '127.7.1.1', '127.7.128.1']) {
      assert.ok(direct.includes(address), address);
    }
    assert.equal(env.no_proxy, env.NO_PROXY);
  });

  test('without a sidecar there are no proxy variables', () => {
    const { sidecarAddress: _, ...rest } = input;
    const { all: plain } = applicationEnvironment({ ...rest, grpcBootstrap: '/b.json' });
    assert.equal(plain.http_proxy, undefined);
    assert.equal(plain.STOCK_DB_SERVICE_HOST, 'stock-db.default.svc.cluster.local');
    assert.equal(plain.GRPC_XDS_BOOTSTRAP, '/b.json');
  });
});

describe('assignServicePorts', () => {
  const tcp = (service: string, port: number): ServicePortPlan => ({
    service,
    namespace: 'default',
    port,
    http: false,
  });
  const cases = [
    { why: 'its own number', service: tcp('db', 5432), port: 5432 },
    { why: 'not that of a container', service: tcp('db', 9080), port: 21_000 },
    { why: 'not one of the mesh', service: tcp('db', 15_012), port: 21_000 },
    { why: 'not one for root', service: tcp('db', 53), port: 21_000 },
  ];
  for (const { why, service, port } of cases) {
    test(why, () => {
      assert.deepEqual([...assignServicePorts([service], [9080], 1024)], [[servicePortKey(service), port]]);
    });
  }

  test('two services of one number', () => {
    assert.deepEqual(
      [...assignServicePorts([tcp('a', 5432), tcp('b', 5432)], [], 1024).values()],
      [5432, 21_000],
    );
  });
});
