/** Who is told of what: `exportTo`, `Sidecar`, what the mesh says of the unknown. */
import { type Configuration, document } from './configuration.ts';

const all = '{route: [@v1]}';
const sidecar = (spec: string): string =>
  document(
    'networking.istio.io/v1',
    'Sidecar',
    '<host>',
    `{workloadSelector: {labels: {app: caller}}, ${spec}}`,
  );
const routes = (spec: string): string =>
  document('networking.istio.io/v1', 'VirtualService', '<host>-more', `{hosts: [<host>], ${spec}}`);
const config = (mesh: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: '${mesh}'}\n---\n`;
const other = (kind: string, name: string, spec: string): string =>
  document('networking.istio.io/v1', kind, name, spec).replace(
    'metadata: {',
    'metadata: {namespace: elsewhere, ',
  );
const service = (name: string, annotations = ''): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}${annotations}}\nspec: {selector: {app: backend}, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n`;

export const exports: readonly Configuration[] = [
  {
    name: 'routes for another namespace',
    documents: routes('exportTo: [elsewhere], http: [{directResponse: {status: 418}}]'),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 200 } }],
  },
  {
    name: 'routes for the own namespace',
    documents: routes('exportTo: ["."], http: [{directResponse: {status: 418}}]'),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 418 } }],
  },
  {
    name: 'routes that another namespace keeps for itself',
    documents: other(
      'VirtualService',
      'kept',
      '{hosts: [routes-that-another-namespace-keeps-for-itself.default.svc.cluster.local], exportTo: ["."], http: [{directResponse: {status: 418}}]}',
    ),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 200 } }],
  },
  {
    name: 'routes that another namespace shows',
    documents: other(
      'VirtualService',
      'shown',
      '{hosts: [routes-that-another-namespace-shows.default.svc.cluster.local], exportTo: ["*"], http: [{directResponse: {status: 418}}]}',
    ),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 418 } }],
  },
  {
    name: 'a rule that another namespace keeps for itself',
    http: all,
    documents: other(
      'DestinationRule',
      'kept',
      '{host: a-rule-that-another-namespace-keeps-for-itself.default.svc.cluster.local, exportTo: ["."], subsets: [{name: v1, labels: {version: v2}}]}',
    ),
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1' } }],
  },
  {
    name: 'a service for nobody',
    service: '',
    documents: service('a-service-for-nobody', ', annotations: {networking.istio.io/exportTo: "~"}'),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 503, attempts: 0 } }],
  },
];

const seen = { ask: {}, see: { by: 'v1' } } as const;

export const sidecars: readonly Configuration[] = [
  {
    name: 'sidecar egress of some hosts',
    alone: true,
    http: all,
    documents: `${service('hidden')}${sidecar('egress: [{hosts: ["./<host>.default.svc.cluster.local", "./*.example.com"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}')}`,
    through: 'sidecar',
    asked: [seen, { ask: { host: 'hidden' }, see: { status: 502, attempts: 0 } }],
  },
  {
    name: 'sidecar egress of other namespaces alone',
    alone: true,
    http: all,
    documents: sidecar(
      'egress: [{hosts: ["elsewhere/*", "./*.example.com"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}',
    ),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 502 } }],
  },
  {
    name: 'sidecar for other workloads',
    alone: true,
    http: all,
    documents: document(
      'networking.istio.io/v1',
      'Sidecar',
      '<host>',
      '{workloadSelector: {labels: {app: somebody}}, egress: [{hosts: ["elsewhere/*"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}',
    ),
    through: 'sidecar',
    asked: [seen],
  },
  {
    name: 'sidecar of the namespace',
    alone: true,
    http: all,
    documents: document(
      'networking.istio.io/v1',
      'Sidecar',
      '<host>',
      '{egress: [{hosts: ["elsewhere/*", "./*.example.com"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}',
    ),
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 502 } }],
  },
  {
    name: 'unknown hosts where all is allowed',
    alone: true,
    through: 'sidecar',
    asked: [{ ask: { host: 'localhost:<outside>' }, see: { by: 'outside', host: 'localhost:<outside>' } }],
  },
  {
    name: 'unknown hosts of a sidecar',
    alone: true,
    documents: sidecar('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'),
    through: 'sidecar',
    asked: [
      { ask: { host: 'localhost:<outside>' }, see: { status: 502, attempts: 0 } },
      { call: { host: 'localhost', port: 9 }, see: { status: 'closed' } },
      { ask: {}, see: { status: 200 } },
    ],
  },
  {
    name: 'unknown hosts of the mesh',
    alone: true,
    documents: config('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'),
    through: 'sidecar',
    asked: [{ ask: { host: 'localhost:<outside>' }, see: { status: 502, attempts: 0 } }],
  },
  {
    name: 'unknown hosts by an egress proxy',
    alone: true,
    documents: sidecar(
      'outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: <host>.default.svc.cluster.local, subset: v2, port: {number: 80}}}',
    ),
    through: 'sidecar',
    asked: [{ ask: { host: 'nowhere.example.org' }, see: { by: 'v2', host: 'nowhere.example.org' } }],
  },
];

export const meshes: readonly Configuration[] = [
  {
    name: 'mesh-wide retries',
    alone: true,
    http: '{route: [@v1]}',
    documents: config('defaultHttpRetryPolicy: {attempts: 1, retryOn: "503"}'),
    through: 'both',
    asked: [
      { ask: { answers: { any: '503,200' } }, see: { by: 'v1', attempts: 2 } },
      { ask: { answers: { any: '503' } }, see: { status: 503, attempts: 2 } },
    ],
  },
  {
    name: 'paths with slashes that are merged',
    alone: true,
    http: '{match: [{uri: {exact: /a/b}}], route: [@v1]}, {route: [@v2]}',
    documents: config('pathNormalization: {normalization: MERGE_SLASHES}'),
    through: 'both',
    asked: [{ ask: { get: '/a//b' }, see: { by: 'v1', path: '/a/b' } }],
  },
  {
    name: 'paths as they come',
    alone: true,
    http: '{match: [{uri: {exact: /b}}], route: [@v1]}, {route: [@v2]}',
    documents: config('pathNormalization: {normalization: NONE}'),
    through: 'both',
    asked: [{ ask: { get: '/a/../b' }, see: { by: 'v2', path: '/a/../b' } }],
  },
  {
    name: 'paths with dots by themselves',
    http: '{match: [{uri: {exact: /b}}], route: [@v1]}, {route: [@v2]}',
    through: 'both',
    asked: [
      { ask: { get: '/a/../b' }, see: { by: 'v1', path: '/b' } },
      { ask: { get: '/a//b' }, see: { by: 'v2', path: '/a//b' } },
    ],
  },
  {
    name: 'routes that the mesh keeps in their namespaces',
    alone: true,
    documents: `${config('defaultVirtualServiceExportTo: ["."]')}${other('VirtualService', 'kept', '{hosts: [routes-that-the-mesh-keeps-in-their-namespaces.default.svc.cluster.local], http: [{directResponse: {status: 418}}]}')}`,
    through: 'sidecar',
    asked: [{ ask: {}, see: { status: 200 } }],
  },
];
