/** What DestinationRules and ResiliencePolicies may say, and what is said of those that cannot be meant. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from './load.ts';

/** Problems as `level path: message`, without their places in the text. */
function problemsOf(...documents: readonly string[]): string[] {
  const { problems } = loadDocuments([{ file: 'x.yaml', text: documents.join('\n---\n') }]);
  return problems.map(({ level, path, message }) => `${level} ${path}: ${message}`);
}

const rule = (policy: string, name = 'a', more = ''): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}}
spec: {host: api.example.com, ${more} trafficPolicy: ${policy}}`;

const resilience = (spec: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: a}
spec: {host: api.example.com, ${spec}}`;

const at = 'spec.trafficPolicy';
const locality = `${at}.loadBalancer.localityLbSetting`;

describe('traffic policies', () => {
  const refused: [policy: string, problem: string][] = [
    ['{}', `${at}: is empty: say something, or leave it out`],
    ['{connectionPool: {}}', `${at}.connectionPool: is empty: say tcp or http, or leave it out`],
    [
      '{loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}',
      `${at}.loadBalancer: only one of simple, consistentHash may be set, not simple and consistentHash`,
    ],
    [
      '{loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}',
      `${at}.loadBalancer.consistentHash.maglev.tableSize: must be a prime number up to 5000011`,
    ],
    [
      '{loadBalancer: {localityLbSetting: {distribute: [{from: "us/*", to: {us/a: 50, us/b: 40}}]}}}',
      `${locality}.distribute[0].to: all weights together must be 100, not 90`,
    ],
    [
      '{loadBalancer: {localityLbSetting: {distribute: [{from: us, to: {"us/*": 50, us/b: 50}}]}}}',
      `${locality}.distribute[0].to["us/b"]: overlaps with "us/*"`,
    ],
    [
      '{loadBalancer: {localityLbSetting: {distribute: [{from: "*/a", to: {us: 100}}]}}}',
      `${locality}.distribute[0].from: "*/a" is not REGION, REGION/ZONE or REGION/ZONE/SUBZONE, with * at the end at most`,
    ],
    [
      '{outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: us, to: us}]}}}',
      `${locality}.failover[0]: must name two different regions`,
    ],
    [
      '{outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: us, to: eu}], failoverPriority: [topology.kubernetes.io/zone]}}}',
      `${locality}.failoverPriority[0]: "topology.kubernetes.io/zone" says the same as failover: only one of the two may be set`,
    ],
    [
      '{connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}}',
      `${at}.connectionPool.http.useClientProtocol: stands against h2UpgradePolicy UPGRADE: choose one`,
    ],
    [
      '{outlierDetection: {consecutiveLocalOriginFailures: 3}}',
      `${at}.outlierDetection.consecutiveLocalOriginFailures: has no effect without splitExternalLocalOriginErrors`,
    ],
    ['{tls: {mode: MUTUAL, clientCertificate: c}}', `${at}.tls.mode: MUTUAL needs privateKey`],
    [
      '{tls: {mode: SIMPLE, credentialName: c, caCertificates: f}}',
      `${at}.tls.caCertificates: stands beside credentialName: choose one`,
    ],
    [
      '{tls: {mode: SIMPLE, credentialName: c, insecureSkipVerify: true}}',
      `${at}.tls.credentialName: has no effect beside insecureSkipVerify: choose one`,
    ],
    [
      '{tls: {mode: MUTUAL, credentialName: "configmap://c"}}',
      `${at}.tls.credentialName: a ConfigMap has no key, which MUTUAL needs`,
    ],
    [
      '{tunnel: {protocol: GET, targetHost: db, targetPort: 1}}',
      `${at}.tunnel.protocol: one of CONNECT, POST is expected, not the text "GET"`,
    ],
  ];
  for (const [policy, problem] of refused) {
    test(policy, () => assert.deepEqual(problemsOf(rule(policy)), [`error ${problem}`]));
  }

  const warned: [policy: string, problem: string][] = [
    [
      '{loadBalancer: {simple: RANDOM, warmup: {duration: 1s}}}',
      `${at}.loadBalancer.warmup: has no effect: only ROUND_ROBIN and LEAST_REQUEST warm endpoints up`,
    ],
    [
      '{outlierDetection: {consecutiveErrors: 3}}',
      `${at}.outlierDetection.consecutiveErrors: has no effect, in Istio neither`,
    ],
    [
      '{tls: {mode: DISABLE, sni: x}}',
      `${at}.tls.mode: DISABLE: there is no TLS, and the other fields have no effect`,
    ],
    [
      '{loadBalancer: {localityLbSetting: {failoverPriority: [stage]}}}',
      `${locality}: has no effect: nobody finds out that an endpoint is ill, so all are used alike`,
    ],
  ];
  for (const [policy, problem] of warned) {
    test(policy, () => assert.deepEqual(problemsOf(rule(policy)), [`warning ${problem}`]));
  }

  test('health checks find out, too, that an endpoint is ill', () => {
    const policy = '{loadBalancer: {localityLbSetting: {failoverPriority: [stage]}}}';
    assert.deepEqual(problemsOf(rule(policy), resilience('healthCheck: {tcp: {}}')), []);
  });

  test('what a rule says that is joined to another, and has no effect', () => {
    const v1 = 'subsets: [{name: v1}],';
    assert.deepEqual(
      problemsOf(
        rule('{tls: {mode: DISABLE}}', 'b', v1),
        rule('{tls: {mode: DISABLE}}', 'a', v1),
        rule('{tls: {mode: DISABLE}}', 'c', `${v1} workloadSelector: {matchLabels: {app: x}},`),
      ),
      [
        'warning spec.trafficPolicy: has no effect: DestinationRule default/a has one for the same host',
        'warning spec.subsets[0]: has no effect: DestinationRule default/a has a subset "v1" of the same host',
      ],
    );
  });
});

describe('resilience policies', () => {
  const refused: [spec: string, problem: string][] = [
    ['ports: [80]', 'spec: says nothing: give healthCheck, hedging or both'],
    ['healthCheck: {interval: 1s}', 'spec.healthCheck: one of http, tcp, grpc is needed'],
    [
      'healthCheck: {tcp: {}, http: {path: /}}',
      'spec.healthCheck: only one of http, tcp, grpc may be set, not http and tcp',
    ],
    ['healthCheck: {http: {path: healthz}}', 'spec.healthCheck.http.path: must begin with /'],
    [
      'healthCheck: {http: {path: /, expectedStatuses: ["299-200"]}}',
      'spec.healthCheck.http.expectedStatuses[0]: "299-200" is not a status or a range, such as "200-299"',
    ],
    ['hedging: {delay: 1s, maxAttempts: 1}', 'spec.hedging.maxAttempts: must be from 2 to 5, not 1'],
    ['hedging: {delay: 1s, methods: [get]}', 'spec.hedging.methods[0]: "get" is not a method'],
  ];
  for (const [spec, problem] of refused) {
    test(spec, () => assert.deepEqual(problemsOf(resilience(spec)), [`error ${problem}`]));
  }

  test('ports and hosts that are not there, and ports that do not speak gRPC', () => {
    const service = `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{name: http, port: 80}, {name: grpc, port: 81}]}`;
    const policy = (spec: string): string => resilience(spec).replace('host: api.example.com', 'host: shop');
    assert.deepEqual(problemsOf(service, policy('ports: [81, 82], healthCheck: {grpc: {}}')), [
      'warning spec.ports[1]: "shop" has no port 82',
    ]);
    assert.deepEqual(problemsOf(service, policy('healthCheck: {grpc: {}}')), [
      'warning spec.healthCheck.grpc: port 80 is not checked: it is not known to speak gRPC or HTTP/2',
    ]);
    assert.deepEqual(problemsOf(service, resilience('healthCheck: {tcp: {}}')), [
      'warning spec.host: the mesh has no service "api.example.com"',
    ]);
  });
});
