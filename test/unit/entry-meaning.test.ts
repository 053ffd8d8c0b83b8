/** What ServiceEntries mean: where requests and connections for their hosts go, and to which endpoints. */
import { type Meaning, service, testMeanings, written } from '../support/meaning.ts';

const entry = (spec: string, name = 'entry'): string => written('ServiceEntry', name, spec);
const machine = (name: string, spec: string, namespace = 'default'): string =>
  written('WorkloadEntry', name, spec, namespace);
const http = 'ports: [{number: 80, name: http, protocol: HTTP}]';
const tcp = 'ports: [{number: 6000, name: tcp, protocol: TCP}]';
const tls = 'ports: [{number: 443, name: tls, protocol: TLS}]';

const meanings: readonly Meaning[] = [
  {
    why: 'a host of HTTP by its name',
    documents: entry(`hosts: [api.example.org], resolution: DNS, ${http}`),
    rows: [
      ['http://api.example.org/', 'api.example.org:80'],
      ['http://api.example.org:81/', 'no table'],
      ['http://other.example.org/', 'PassthroughCluster'],
    ],
  },
  {
    why: 'a host in any case',
    documents: entry(`hosts: [api.example.org], resolution: DNS, ${http}`),
    rows: [['http://API.Example.org/', 'api.example.org:80']],
  },
  {
    why: 'hosts of a wildcard',
    documents: entry(`hosts: ["*.example.org"], resolution: NONE, ${http}`),
    rows: [
      ['http://a.example.org/', 'outbound|80||*.example.org'],
      ['http://example.org/', 'PassthroughCluster'],
    ],
  },
  {
    why: 'several hosts of one entry',
    documents: entry(`hosts: [a.example.org, b.example.org], resolution: DNS, ${http}`),
    rows: [
      ['http://a.example.org/', 'a.example.org:80'],
      ['http://b.example.org/', 'b.example.org:80'],
    ],
  },
  {
    why: 'a host before a wildcard',
    documents:
      entry(`hosts: ["*.example.org"], resolution: NONE, ${http}`, 'wide') +
      entry(`hosts: [a.example.org], resolution: DNS, ${http}`, 'narrow'),
    rows: [['http://a.example.org/', 'a.example.org:80']],
  },
  {
    why: 'the first of two entries of a host',
    documents:
      entry(`hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1}]`, 'a') +
      entry(`hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 2.2.2.2}]`, 'b'),
    rows: [['a.example.org:80', '1.1.1.1:80']],
  },
  {
    why: 'TCP by its address',
    documents: entry(
      `hosts: [db.example.org], addresses: [10.200.0.1], resolution: STATIC, ${tcp}, endpoints: [{address: 1.1.1.1}]`,
    ),
    rows: [
      [{ address: '10.200.0.1', port: 6000 }, 'db.example.org:6000'],
      [{ address: '10.200.0.2', port: 6000 }, 'passthrough'],
    ],
  },
  {
    why: 'TCP by a range',
    documents: entry(`hosts: [db.example.org], addresses: [10.200.0.0/24], resolution: NONE, ${tcp}`),
    rows: [
      [{ address: '10.200.0.77', port: 6000 }, 'db.example.org:6000'],
      [{ address: '10.201.0.77', port: 6000 }, 'PassthroughCluster'],
    ],
  },
  {
    why: 'TLS by its name',
    documents: entry(`hosts: [a.example.org], resolution: NONE, ${tls}`),
    rows: [[{ address: '1.2.3.4', port: 443, sni: 'a.example.org' }, 'a.example.org:443']],
  },
  {
    why: 'TLS by a wildcard of names',
    documents: entry(`hosts: ["*.example.org"], resolution: NONE, ${tls}`),
    rows: [[{ address: '1.2.3.4', port: 443, sni: 'b.example.org' }, 'outbound|443||*.example.org']],
  },
  {
    why: 'endpoints at the port of the service',
    documents: entry(
      `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1}, {address: 2.2.2.2}]`,
    ),
    rows: [['a.example.org:80', '1.1.1.1:80 2.2.2.2:80']],
  },
  {
    why: 'endpoints at the target port',
    documents: entry(
      'hosts: [a.example.org], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], endpoints: [{address: 1.1.1.1}]',
    ),
    rows: [['a.example.org:80', '1.1.1.1:8080']],
  },
  {
    why: 'endpoints at ports of their own',
    documents: entry(
      `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1, ports: {http: 9000}}, {address: 2.2.2.2}]`,
    ),
    rows: [['a.example.org:80', '1.1.1.1:9000 2.2.2.2:80']],
  },
  {
    why: 'subsets of endpoints',
    documents:
      entry(
        `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1, labels: {v: a}}, {address: 2.2.2.2, labels: {v: b}}]`,
      ) +
      written(
        'DestinationRule',
        'a',
        'host: a.example.org, subsets: [{name: a, labels: {v: a}}, {name: b, labels: {v: b}}, {name: c, labels: {v: c}}]',
      ),
    rows: [
      ['a of a.example.org:80', '1.1.1.1:80'],
      ['b of a.example.org:80', '2.2.2.2:80'],
      ['c of a.example.org:80', 'none'],
    ],
  },
  {
    why: 'endpoints by a selector',
    documents:
      entry(
        `hosts: [a.example.org], resolution: STATIC, ${http}, workloadSelector: {labels: {app: machine}}`,
      ) +
      machine('one', 'address: 1.1.1.1, labels: {app: machine}') +
      machine('two', 'address: 2.2.2.2, labels: {app: other}'),
    rows: [['a.example.org:80', '1.1.1.1:80']],
  },
  {
    why: 'endpoints by a selector, of the own namespace',
    documents:
      entry(
        `hosts: [a.example.org], resolution: STATIC, ${http}, workloadSelector: {labels: {app: machine}}`,
      ) + machine('one', 'address: 1.1.1.1, labels: {app: machine}', 'other'),
    rows: [['a.example.org:80', 'none']],
  },
  {
    why: 'machines behind a service',
    documents:
      service('shop', '[{name: http, port: 80, targetPort: 8080}]') +
      machine('one', 'address: 1.1.1.1, labels: {app: shop}'),
    rows: [['shop.default.svc.cluster.local:80', '1.1.1.1:8080']],
  },
  {
    why: 'machines behind a service, at ports of their own',
    documents:
      service('shop', '[{name: http, port: 80}]') +
      machine('one', 'address: 1.1.1.1, labels: {app: shop}, ports: {http: 9000}'),
    rows: [['shop.default.svc.cluster.local:80', '1.1.1.1:9000']],
  },
  {
    why: 'places of endpoints, the nearest first',
    documents:
      entry(
        `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1, locality: r/z/s}, {address: 2.2.2.2, locality: r/z/t}, {address: 3.3.3.3, locality: r/y/s}, {address: 4.4.4.4, locality: q/z/s}]`,
      ) +
      written(
        'DestinationRule',
        'a',
        'host: a.example.org, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}',
      ),
    rows: [['a.example.org:80', '1.1.1.1:80 | 2.2.2.2:80 | 3.3.3.3:80 | 4.4.4.4:80']],
    from: { labels: { app: 'caller', 'istio-locality': 'r.z.s' } },
  },
  {
    why: 'places of endpoints, all alike without detection',
    documents: entry(
      `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1, locality: r/z/s}, {address: 4.4.4.4, locality: q/z/s}]`,
    ),
    rows: [['a.example.org:80', '1.1.1.1:80 4.4.4.4:80']],
    from: { labels: { app: 'caller', 'istio-locality': 'r.z.s' } },
  },
  {
    why: 'places of endpoints, where failover leads',
    documents:
      entry(
        `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1, locality: r/z/s}, {address: 3.3.3.3, locality: p/z/s}, {address: 4.4.4.4, locality: q/z/s}]`,
      ) +
      written(
        'DestinationRule',
        'a',
        'host: a.example.org, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}, loadBalancer: {localityLbSetting: {failover: [{from: r, to: q}]}}}',
      ),
    rows: [['a.example.org:80', '1.1.1.1:80 | 4.4.4.4:80 | 3.3.3.3:80']],
    from: { labels: { app: 'caller', 'istio-locality': 'r.z.s' } },
  },
  {
    why: 'places of endpoints, by labels in common',
    documents:
      entry(
        `hosts: [a.example.org], resolution: STATIC, ${http}, endpoints: [{address: 1.1.1.1, labels: {rack: a, hall: x}}, {address: 2.2.2.2, labels: {rack: b, hall: x}}, {address: 3.3.3.3, labels: {rack: a, hall: y}}]`,
      ) +
      written(
        'DestinationRule',
        'a',
        'host: a.example.org, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}, loadBalancer: {localityLbSetting: {failoverPriority: [hall, rack]}}}',
      ),
    rows: [['a.example.org:80', '1.1.1.1:80 | 2.2.2.2:80 | 3.3.3.3:80']],
    from: { labels: { app: 'caller', hall: 'x', rack: 'a' } },
  },
  {
    why: 'a route to an entry',
    documents:
      service('shop', '[{name: http, port: 80}]') +
      entry(`hosts: [a.example.org], resolution: DNS, ${http}`) +
      written(
        'VirtualService',
        'shop',
        'hosts: [shop], http: [{match: [{uri: {prefix: /ext}}], route: [{destination: {host: a.example.org}}]}, {route: [{destination: {host: shop}}]}]',
      ),
    rows: [
      ['http://shop/ext', 'a.example.org:80'],
      ['http://shop/', 'shop.default:80'],
    ],
  },
  {
    why: 'a route for hosts of a wildcard',
    documents:
      entry(`hosts: ["*.example.org"], resolution: NONE, ${http}`) +
      written(
        'VirtualService',
        'all',
        'hosts: ["*.example.org"], http: [{match: [{uri: {prefix: /private}}], directResponse: {status: 403}}, {route: [{destination: {host: "a.example.org"}}]}]',
      ),
    rows: [['http://a.example.org/private', '403']],
  },
];

testMeanings('', meanings);
