/** Documents that change what others get, of every kind that is translated: beside those of a large mesh. */
import { addressOf, placeOf } from './large-mesh.ts';

const networking = 'networking.istio.io/v1';
const security = 'security.istio.io/v1';
const heddle = 'heddle.dev/v1alpha1';

function document(apiVersion: string, kind: string, service: number, rest: string, extra = ''): string {
  const { name, namespace } = placeOf(service);
  const metadata = `{ name: more-${name}, namespace: ${namespace}${extra} }`;
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: ${metadata}\n${rest}\n`;
}

const hostOf = (service: number): string =>
  `${placeOf(service).name}.${placeOf(service).namespace}.svc.cluster.local`;
const labelsOf = (service: number): string => `{ app: ${placeOf(service).name} }`;

const rule = (service: number, of: number, policy: string, more = ''): string =>
  document(
    networking,
    'DestinationRule',
    service,
    `spec: { host: ${hostOf(of)}, trafficPolicy: ${policy}${more} }`,
  );
const routes = (service: number, spec: string): string =>
  document(networking, 'VirtualService', service, `spec: { ${spec} }`);
const sidecar = (service: number, spec: string): string =>
  document(networking, 'Sidecar', service, `spec: { ${spec} }`);
const entry = (service: number, spec: string): string =>
  document(networking, 'ServiceEntry', service, `spec: { ${spec} }`);
const policy = (service: number, of: number, spec: string): string =>
  document(heddle, 'ResiliencePolicy', service, `spec: { host: ${hostOf(of)}, ${spec} }`);
const meshConfig = (...lines: readonly string[]): string =>
  `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
${lines.map((line) => `    ${line}`).join('\n')}
`;

const filter = (service: number, patches: string): string =>
  document(
    networking.replace('/v1', '/v1alpha3'),
    'EnvoyFilter',
    service,
    `spec: { workloadSelector: { labels: ${labelsOf(service)} }, configPatches: [${patches}] }`,
  );
/** A service without a selector, and what a slice says is behind it. */
const sliced = (service: number, addresses: string): string => {
  const { name, namespace } = placeOf(service);
  return `apiVersion: v1
kind: Service
metadata: { name: sliced-${name}, namespace: ${namespace} }
spec: { ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: sliced-${name}-1, namespace: ${namespace}, labels: { kubernetes.io/service-name: sliced-${name} } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [${addresses}]
`;
};

/** Each for one service; those of the mesh as a whole have one name, and are of service 0. */
export const meshChanges: readonly ((service: number) => string)[] = [
  (one) => document(security, 'PeerAuthentication', one, 'spec: { mtls: { mode: STRICT } }'),
  (one) => document(security, 'PeerAuthentication', one, 'spec: { mtls: { mode: DISABLE } }'),
  (one) =>
    document(
      security,
      'PeerAuthentication',
      one,
      `spec: { selector: { matchLabels: ${labelsOf(one)} }, mtls: { mode: STRICT }, portLevelMtls: { 8080: { mode: DISABLE } } }`,
    ),
  (one) => rule(one, 0, '{ loadBalancer: { simple: RANDOM } }'),
  (one) => rule(one, 0, '{ loadBalancer: { simple: LEAST_REQUEST } }', ', exportTo: [team-1, "."]'),
  (one) =>
    rule(
      one,
      1,
      '{ connectionPool: { http: { maxRetries: 7 } } }',
      `, workloadSelector: { matchLabels: ${labelsOf(one)} }`,
    ),
  (one) =>
    rule(
      one,
      3,
      '{ outlierDetection: { consecutive5xxErrors: 3 }, loadBalancer: { localityLbSetting: { failoverPriority: [app] } } }',
    ),
  (one) => rule(one, one, '{ loadBalancer: { consistentHash: { httpHeaderName: x-user } } }'),
  (one) =>
    rule(
      one,
      one,
      '{ loadBalancer: { localityLbSetting: { enabled: true, distribute: [{ from: "us/*", to: { "us/*": 70, "eu/*": 30 } }] } } }',
    ),
  (one) =>
    routes(
      one,
      `hosts: [www.example.com], http: [{ match: [{ sourceLabels: ${labelsOf(2)} }], route: [{ destination: { host: ${hostOf(1)} } }] }]`,
    ),
  (one) =>
    routes(
      one,
      `hosts: [${hostOf(1)}], exportTo: [team-0], http: [{ name: seen, route: [{ destination: { host: ${hostOf(0)} } }] }]`,
    ),
  (one) =>
    routes(
      one,
      `hosts: [${hostOf(4)}], http: [{ match: [{ uri: { prefix: /d } }], delegate: { name: more-${placeOf(5).name}, namespace: ${placeOf(5).namespace} } }, { route: [{ destination: { host: ${hostOf(4)} } }] }]`,
    ),
  (one) =>
    routes(
      one,
      `http: [{ match: [{ uri: { prefix: /d/x } }], route: [{ destination: { host: ${hostOf(one)} } }] }]`,
    ),
  (one) =>
    routes(
      one,
      `exportTo: ["."], http: [{ name: hidden, route: [{ destination: { host: ${hostOf(one)} } }] }]`,
    ),
  (one) =>
    routes(
      one,
      `hosts: [${hostOf(one)}, api0.example.com], gateways: [mesh, team-0/more-${placeOf(0).name}], tcp: [{ match: [{ port: 5000 }], route: [{ destination: { host: ${hostOf(1)} } }] }], tls: [{ match: [{ sniHosts: [api0.example.com], sourceLabels: ${labelsOf(0)} }], route: [{ destination: { host: ${hostOf(2)} } }] }]`,
    ),
  (one) =>
    routes(
      one,
      `hosts: ["*.example.com"], gateways: [team-0/more-${placeOf(0).name}], http: [{ route: [{ destination: { host: ${hostOf(one)} } }] }]`,
    ),
  (one) =>
    document(
      networking,
      'Gateway',
      one,
      `spec: { selector: ${labelsOf(4)}, servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*.example.com"] }] }`,
    ),
  (one) => sidecar(one, 'egress: [{ hosts: ["./*", "team-1/*"] }]'),
  (one) =>
    sidecar(
      one,
      `workloadSelector: { labels: ${labelsOf(one)} }, egress: [{ hosts: ["*/*"] }], outboundTrafficPolicy: { mode: REGISTRY_ONLY }`,
    ),
  (one) =>
    sidecar(
      one,
      'egress: [{ port: { number: 9080, name: http, protocol: HTTP }, hosts: ["team-2/*"] }, { hosts: ["*/*"] }]',
    ),
  (one) =>
    sidecar(
      one,
      `outboundTrafficPolicy: { mode: ALLOW_ANY, egressProxy: { host: ${hostOf(3)} } }, egress: [{ hosts: ["./*", "~/*"] }]`,
    ),
  (one) =>
    entry(
      one,
      `hosts: [api${one}.example.com], ports: [{ number: 443, name: tls, protocol: TLS }, { number: 80, name: http, protocol: HTTP }], resolution: DNS, location: MESH_EXTERNAL`,
    ),
  (one) =>
    entry(
      one,
      'hosts: ["*.example.com"], exportTo: [team-1, team-2], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: NONE, location: MESH_EXTERNAL',
    ),
  (one) =>
    entry(
      one,
      'hosts: ["*.wild.example"], ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: tls, protocol: TLS }], resolution: DYNAMIC_DNS, location: MESH_EXTERNAL',
    ),
  (one) =>
    entry(
      one,
      `hosts: [vm${one}.example.com], ports: [{ number: 8080, name: http, protocol: HTTP }], resolution: STATIC, location: MESH_INTERNAL, workloadSelector: { labels: ${labelsOf(one)} }`,
    ),
  (one) =>
    document(
      networking,
      'WorkloadEntry',
      one,
      `spec: { address: 10.8.8.${one + 1}, labels: ${labelsOf(one)}, serviceAccount: vm, locality: us/west/1 }`,
    ),
  (one) =>
    document(
      'v1',
      'Service',
      one,
      `spec: { clusterIP: None, selector: ${labelsOf(one)}, ports: [{ name: tcp, port: 5000 }, { name: any, port: 6000 }] }`,
    ),
  (one) =>
    document(
      'v1',
      'Service',
      one,
      `spec: { selector: ${labelsOf(one)}, ports: [{ name: tcp, port: 5000, targetPort: 8080 }, { name: http, port: 80 }] }`,
      ', annotations: { networking.istio.io/exportTo: "." }',
    ),
  (one) => policy(one, 0, 'hedging: { delay: 200ms }'),
  (one) => policy(one, 1, 'healthCheck: { interval: 5s, timeout: 2s, http: { path: /healthz } }'),
  () => meshConfig('outboundTrafficPolicy: { mode: REGISTRY_ONLY }', 'accessLogFile: /dev/stdout'),
  () => meshConfig('defaultServiceExportTo: ["."]', 'defaultDestinationRuleExportTo: ["."]'),
  () => meshConfig('rootNamespace: team-3', 'enableAutoMtls: false', 'connectTimeout: 3s'),
  () =>
    meshConfig(
      'defaultVirtualServiceExportTo: ["."]',
      'discoverySelectors: [{ matchExpressions: [{ key: kubernetes.io/metadata.name, operator: NotIn, values: [team-2] }] }]',
    ),
  () =>
    'apiVersion: v1\nkind: Node\nmetadata: { name: one, labels: { topology.kubernetes.io/region: us, topology.kubernetes.io/zone: a } }\n',
  () =>
    'apiVersion: v1\nkind: Node\nmetadata: { name: one, labels: { topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: b } }\n',
  (one) =>
    filter(
      one,
      `{ applyTo: CLUSTER, match: { context: SIDECAR_OUTBOUND, cluster: { service: "${hostOf(0)}" } }, patch: { operation: MERGE, value: { connect_timeout: 7s } } }`,
    ),
  (one) =>
    filter(
      one,
      `{ applyTo: VIRTUAL_HOST, match: { context: SIDECAR_OUTBOUND }, patch: { operation: MERGE, value: { request_headers_to_add: [{ header: { key: x-patched, value: "${one}" } }] } } }`,
    ),
  (one) => sliced(one, '{ addresses: [10.7.7.1, 10.7.7.2], conditions: { ready: true } }'),
  (one) =>
    sliced(
      one,
      `{ addresses: [10.7.7.3], conditions: { ready: true }, nodeName: one }, { addresses: [${addressOf(one, 0)}] }`,
    ),
];
