/** Hosts outside the mesh: `ServiceEntry`. */
import { type Configuration, document } from './configuration.ts';

const entry = (spec: string): string =>
  document('networking.istio.io/v1', 'ServiceEntry', '<host>', `{${spec}}`);
const http = 'ports: [{number: 80, name: http, protocol: HTTP}]';
const atBackend = 'ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]';

/** An entry in place of the Service. */
const outside = (
  name: string,
  spec: string,
  asked: Configuration['asked'],
  more: Partial<Configuration> = {},
): Configuration => ({ name, service: '', documents: entry(spec), through: 'sidecar', asked, ...more });

export const entries: readonly Configuration[] = [
  outside(
    'entry with addresses of endpoints',
    `hosts: [static.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>}]`,
    [
      {
        ask: { host: 'static.example.org', get: '/a' },
        see: { by: 'v1', path: '/a', host: 'static.example.org' },
      },
    ],
  ),
  outside(
    'entry with ports of endpoints',
    `hosts: [ports.example.org], resolution: STATIC, ${http}, endpoints: [{address: <v2>, ports: {http: 8080}}]`,
    [{ ask: { host: 'ports.example.org' }, see: { by: 'v2' } }],
  ),
  outside(
    'entry with weights of endpoints',
    `hosts: [weighted.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>, weight: 3}, {address: <v2>, weight: 1}]`,
    [{ ask: { host: 'weighted.example.org' }, times: 8, counts: { '200 v1': 6, '200 v2': 2 } }],
    {
      documents: `${entry(`hosts: [weighted.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>, weight: 3}, {address: <v2>, weight: 1}]`)}${document('networking.istio.io/v1', 'DestinationRule', 'weighted', '{host: weighted.example.org, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}')}`,
    },
  ),
  outside(
    'entry with a name to look up',
    'hosts: [dns.example.org], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP, targetPort: <outside>}], endpoints: [{address: localhost}]',
    [{ ask: { host: 'dns.example.org' }, see: { by: 'outside', host: 'dns.example.org' } }],
  ),
  outside(
    'entry with one address of a name',
    'hosts: [logical.example.org], resolution: DNS_ROUND_ROBIN, ports: [{number: 80, name: http, protocol: HTTP, targetPort: <outside>}], endpoints: [{address: localhost}]',
    [{ ask: { host: 'logical.example.org' }, see: { by: 'outside' } }],
  ),
  outside(
    'entry that selects workloads',
    `hosts: [selecting.example.org], resolution: STATIC, ${atBackend}, workloadSelector: {labels: {app: backend, version: v3}}`,
    [{ ask: { host: 'selecting.example.org' }, times: 3, counts: { '200 v3': 3 } }],
  ),
  outside(
    'entry that selects WorkloadEntries',
    '',
    [{ ask: { host: 'machines.example.org' }, see: { by: 'v2' } }],
    {
      documents: `${entry(`hosts: [machines.example.org], resolution: STATIC, ${atBackend}, workloadSelector: {labels: {app: machine}}`)}${document('networking.istio.io/v1', 'WorkloadEntry', 'machine', '{address: <v2>, labels: {app: machine}}')}`,
    },
  ),
  outside(
    'entry of several hosts',
    `hosts: [first.example.org, second.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>}]`,
    [
      { ask: { host: 'first.example.org' }, see: { by: 'v1' } },
      { ask: { host: 'second.example.org' }, see: { by: 'v1' } },
    ],
  ),
  outside(
    'entry with subsets of its endpoints',
    '',
    [
      { ask: { host: 'sub.example.org', get: '/new' }, see: { by: 'v2' } },
      { ask: { host: 'sub.example.org' }, see: { by: 'v1' } },
    ],
    {
      documents: `${entry(`hosts: [sub.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>, labels: {track: old}}, {address: <v2>, labels: {track: new}}]`)}${document('networking.istio.io/v1', 'DestinationRule', 'sub', '{host: sub.example.org, subsets: [{name: old, labels: {track: old}}, {name: new, labels: {track: new}}]}')}${document('networking.istio.io/v1', 'VirtualService', 'sub', '{hosts: [sub.example.org], http: [{match: [{uri: {prefix: /new}}], route: [{destination: {host: sub.example.org, subset: new}}]}, {route: [{destination: {host: sub.example.org, subset: old}}]}]}')}`,
    },
  ),
  outside(
    'entry of TCP',
    'hosts: [tcp.example.org], resolution: STATIC, ports: [{number: 9000, name: tcp, protocol: TCP}], endpoints: [{address: <v3>}]',
    [{ call: { host: 'tcp.example.org', port: 9000 }, see: { body: 'v3 heard hello' } }],
  ),
  outside(
    'entry of TLS that is led on',
    'hosts: [tls.example.org], resolution: STATIC, ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8443}], endpoints: [{address: <v1>}]',
    [
      {
        call: { host: 'tls.example.org', port: 443, name: 'tls.example.org' },
        see: { body: 'v1 heard hello at tls.example.org' },
      },
    ],
  ),
  outside(
    'entry to which TLS begins at the sidecar',
    '',
    [{ ask: { host: 'origin.example.com' }, see: { by: 'v1', spoken: 'origin.example.com for nobody' } }],
    {
      documents: `${entry('hosts: [origin.example.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8444}], endpoints: [{address: <v1>}]')}${document('networking.istio.io/v1', 'DestinationRule', 'origin', '{host: origin.example.com, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: <folder>/ca.pem}}}')}`,
    },
  ),
  outside(
    'entry that a route leads to',
    '',
    [{ ask: { host: 'entry-that-a-route-leads-to' }, see: { by: 'v2', host: 'led.example.org' } }],
    {
      service: '{selector: {app: backend}, ports: [{name: http, port: 80, targetPort: 8080}]}',
      http: '{rewrite: {authority: led.example.org}, route: [{destination: {host: led.example.org, port: {number: 80}}}]}',
      documents: entry(
        `hosts: [led.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v2>}]`,
      ),
      through: 'both',
      asked: [{ ask: {}, see: { by: 'v2', host: 'led.example.org' } }],
    },
  ),
  outside(
    'entry without resolution goes where it is named',
    'hosts: [localhost], resolution: NONE, ports: [{number: <outside>, name: http, protocol: HTTP}]',
    [{ ask: { host: 'localhost:<outside>' }, see: { by: 'outside' } }],
  ),
  outside(
    'entry for others alone',
    `hosts: [others.example.org], exportTo: [elsewhere], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>}]`,
    [{ ask: { host: 'others.example.org' }, see: { status: 503 } }],
  ),
];

const place = (spec: string): string =>
  entry(
    `hosts: [<host>.example.org], resolution: STATIC, ${atBackend}, endpoints: [{address: <v1>, locality: here/near/by}, {address: <v2>, locality: here/far/off}, {address: <v3>, locality: there/one/two}]`,
  ) +
  document(
    'networking.istio.io/v1',
    'DestinationRule',
    '<host>-places',
    `{host: <host>.example.org, trafficPolicy: {${spec}}}`,
  );
const detects =
  'outlierDetection: {consecutive5xxErrors: 1, interval: 3600s, baseEjectionTime: 3600s, maxEjectionPercent: 100}';

export const localities: readonly Configuration[] = [
  outside(
    'places: the nearest first',
    '',
    [
      { ask: { host: 'places-the-nearest-first.example.org' }, times: 4, counts: { '200 v1': 4 } },
      {
        ask: { host: 'places-the-nearest-first.example.org', answers: { v1: '500' } },
        times: 3,
        settles: true,
        counts: { '200 v2': 3 },
      },
      {
        ask: { host: 'places-the-nearest-first.example.org', answers: { v2: '500' } },
        times: 3,
        settles: true,
        counts: { '200 v3': 3 },
      },
    ],
    { documents: place(detects) },
  ),
  outside(
    'places: all alike without detection',
    '',
    [
      {
        ask: { host: 'places-all-alike-without-detection.example.org' },
        times: 6,
        counts: { '200 v1': 2, '200 v2': 2, '200 v3': 2 },
      },
    ],
    { documents: place('loadBalancer: {simple: ROUND_ROBIN}') },
  ),
  outside(
    'places: distribution',
    '',
    [
      {
        ask: { host: 'places-distribution.example.org' },
        times: 200,
        shares: { '200 v1': 70, '200 v2': 30 },
      },
    ],
    {
      documents: place(
        'loadBalancer: {localityLbSetting: {distribute: [{from: here/near/by, to: {here/near/by: 70, here/far/off: 30}}]}}',
      ),
    },
  ),
  outside(
    'places: failover of a region',
    '',
    [
      {
        ask: { host: 'places-failover-of-a-region.example.org', answers: { v1: '500', v2: '500' } },
        times: 4,
        settles: true,
        counts: { '200 v3': 4 },
      },
    ],
    {
      documents: place(
        `${detects}, loadBalancer: {localityLbSetting: {failover: [{from: here, to: there}]}}`,
      ),
    },
  ),
  outside(
    'places: off',
    '',
    [
      {
        ask: { host: 'places-off.example.org' },
        times: 6,
        counts: { '200 v1': 2, '200 v2': 2, '200 v3': 2 },
      },
    ],
    {
      documents: place(
        `${detects}, loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {enabled: false}}`,
      ),
    },
  ),
];
