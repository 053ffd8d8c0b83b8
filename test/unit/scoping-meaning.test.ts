/** What scoping means: which hosts and routes a caller knows of, by `exportTo`, `Sidecar` and MeshConfig. */
import { type Meaning, meshConfig, service, testMeanings, written } from '../support/meaning.ts';

const http = '[{name: http, port: 80}]';
const common = [
  service('near', http, { spec: 'clusterIP: 10.96.1.1' }),
  service('far', http, { namespace: 'other', spec: 'clusterIP: 10.96.1.2' }),
  service('db', '[{name: tcp, port: 5432}]', { namespace: 'other', spec: 'clusterIP: 10.96.1.3' }),
].join('');
const near = 'http://near/';
const far = 'http://far.other/';
const db = { address: '10.96.1.3', port: 5432 };
const routes = (name: string, spec: string, namespace = 'default'): string =>
  written('VirtualService', name, spec, namespace);
const teapot = 'http: [{directResponse: {status: 418}}]';
const sidecar = (spec: string): string => written('Sidecar', 'own', spec);

const meanings: readonly Meaning[] = [
  {
    why: 'everybody knows of all',
    documents: '',
    rows: [
      [near, 'near.default:80'],
      [far, 'far.other:80'],
      [db, 'db.other:5432'],
    ],
  },
  {
    why: 'a service for its namespace alone',
    documents: service('kept', http, {
      namespace: 'other',
      annotations: 'networking.istio.io/exportTo: "."',
    }),
    rows: [['http://kept.other/', 'PassthroughCluster']],
  },
  {
    why: 'a service for its namespace, from within',
    documents: service('kept', http, {
      namespace: 'other',
      annotations: 'networking.istio.io/exportTo: "."',
    }),
    rows: [['http://kept/', 'kept.other:80']],
    from: { namespace: 'other' },
  },
  {
    why: 'a service for a namespace by its name',
    documents: service('kept', http, {
      namespace: 'other',
      annotations: 'networking.istio.io/exportTo: "third,default"',
    }),
    rows: [['http://kept.other/', 'kept.other:80']],
  },
  {
    why: 'a service for nobody',
    documents: service('gone', http, { annotations: 'networking.istio.io/exportTo: "~"' }),
    rows: [['http://gone/', 'PassthroughCluster']],
  },
  {
    why: 'routes for all',
    documents: routes('a', `hosts: [near], exportTo: ["*"], ${teapot}`),
    rows: [[near, '418']],
  },
  {
    why: 'routes for their namespace, from another',
    documents: routes('a', `hosts: [near], exportTo: ["."], ${teapot}`),
    rows: [['http://near.default/', 'near.default:80']],
    from: { namespace: 'other' },
  },
  {
    why: 'routes for another namespace',
    documents: routes('a', `hosts: [near], exportTo: [other], ${teapot}`),
    rows: [[near, 'near.default:80']],
  },
  {
    why: 'routes for another namespace, from there',
    documents: routes('a', `hosts: [near], exportTo: [other], ${teapot}`),
    rows: [['http://near.default/', '418']],
    from: { namespace: 'other' },
  },
  {
    why: 'routes that others keep leave the host to others',
    documents:
      routes('a', `hosts: [near.default.svc.cluster.local], exportTo: ["."], ${teapot}`, 'other') +
      routes('b', 'hosts: [near], http: [{rewrite: {uri: /b}, route: [{destination: {host: near}}]}]'),
    rows: [[near, 'near.default:80 path=/b']],
  },
  {
    why: 'an entry for its namespace',
    documents: written(
      'ServiceEntry',
      'wiki',
      'hosts: [wiki.example.org], exportTo: ["."], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]',
      'other',
    ),
    rows: [['http://wiki.example.org/', 'PassthroughCluster']],
  },
  {
    why: 'an entry for all',
    documents: written(
      'ServiceEntry',
      'wiki',
      'hosts: [wiki.example.org], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]',
      'other',
    ),
    rows: [['http://wiki.example.org/', 'wiki.example.org:80']],
  },
  {
    why: 'what the mesh says of services',
    documents: meshConfig('defaultServiceExportTo: ["."]'),
    rows: [
      [near, 'near.default:80'],
      [far, 'PassthroughCluster'],
    ],
  },
  {
    why: 'what the mesh says of routes',
    documents:
      meshConfig('defaultVirtualServiceExportTo: ["."]') +
      routes('a', `hosts: [near.default.svc.cluster.local], ${teapot}`, 'other'),
    rows: [[near, 'near.default:80']],
  },
  {
    why: 'a sidecar that asks for its namespace',
    documents: sidecar('egress: [{hosts: ["./*"]}]'),
    rows: [
      [near, 'near.default:80'],
      [far, 'PassthroughCluster'],
    ],
  },
  {
    why: 'a sidecar that asks for another namespace',
    documents: sidecar('egress: [{hosts: ["other/*"]}]'),
    rows: [
      [far, 'far.other:80'],
      [near, 'PassthroughCluster'],
      [db, 'db.other:5432'],
    ],
  },
  {
    why: 'a sidecar that asks for a host of any namespace',
    documents: sidecar('egress: [{hosts: ["*/far.other.svc.cluster.local"]}]'),
    rows: [
      [far, 'far.other:80'],
      [near, 'PassthroughCluster'],
      [db, 'passthrough'],
    ],
  },
  {
    why: 'a sidecar that asks for hosts by a wildcard',
    documents: sidecar('egress: [{hosts: ["*/*.other.svc.cluster.local"]}]'),
    rows: [
      [far, 'far.other:80'],
      [db, 'db.other:5432'],
      [near, 'PassthroughCluster'],
    ],
  },
  {
    why: 'a sidecar of other workloads',
    documents: sidecar('workloadSelector: {labels: {app: somebody}}, egress: [{hosts: ["other/*"]}]'),
    rows: [[near, 'near.default:80']],
  },
  {
    why: 'a sidecar of these workloads before that of the namespace',
    documents:
      written('Sidecar', 'all', 'egress: [{hosts: ["other/*"]}]') +
      written('Sidecar', 'these', 'workloadSelector: {labels: {app: caller}}, egress: [{hosts: ["./*"]}]'),
    rows: [
      [near, 'near.default:80'],
      [far, 'PassthroughCluster'],
    ],
  },
  {
    why: 'a sidecar of the root namespace',
    documents: written('Sidecar', 'all', 'egress: [{hosts: ["./*"]}]', 'istio-system'),
    rows: [
      [near, 'near.default:80'],
      [far, 'PassthroughCluster'],
    ],
  },
  {
    why: 'a sidecar of the namespace before that of the root',
    documents:
      written('Sidecar', 'all', 'egress: [{hosts: ["./*"]}]', 'istio-system') +
      sidecar('egress: [{hosts: ["other/*"]}]'),
    rows: [
      [far, 'far.other:80'],
      [near, 'PassthroughCluster'],
    ],
  },
  {
    why: 'a sidecar that asks for no such service, only for where a route leads',
    documents:
      sidecar('egress: [{hosts: ["./*"]}]') +
      routes('a', 'hosts: [near], http: [{route: [{destination: {host: far.other.svc.cluster.local}}]}]'),
    rows: [[near, 'far.other:80']],
  },
  {
    why: 'unknown hosts are let through',
    documents: '',
    rows: [['http://nowhere.example.org/', 'PassthroughCluster']],
  },
  {
    why: 'unknown hosts are refused by the mesh',
    documents: meshConfig('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'),
    rows: [['http://nowhere.example.org/', '502']],
  },
  {
    why: 'unknown hosts are refused by the sidecar',
    documents: sidecar('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'),
    rows: [
      ['http://nowhere.example.org/', '502'],
      [near, 'near.default:80'],
    ],
  },
  {
    why: 'unknown hosts are let through by the sidecar, whatever the mesh says',
    documents:
      meshConfig('outboundTrafficPolicy: {mode: REGISTRY_ONLY}') +
      sidecar('outboundTrafficPolicy: {mode: ALLOW_ANY}'),
    rows: [['http://nowhere.example.org/', 'PassthroughCluster']],
  },
  {
    why: 'unknown hosts go by an egress proxy',
    documents: sidecar(
      'outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: far.other.svc.cluster.local, port: {number: 80}}}',
    ),
    rows: [['http://nowhere.example.org/', 'far.other:80']],
  },
  {
    why: 'namespaces that the mesh does not look at',
    documents: `${meshConfig('discoverySelectors: [{matchLabels: {mesh: "yes"}}]')}apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {mesh: "yes"}}\n---\n`,
    rows: [
      [near, 'near.default:80'],
      [far, 'PassthroughCluster'],
    ],
  },
];

testMeanings(common, meanings);
