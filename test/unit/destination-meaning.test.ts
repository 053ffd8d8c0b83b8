/** What Services and DestinationRules mean: which endpoints stand behind a host, a port and a subset. */
import { type Meaning, service, testMeanings, written } from '../support/meaning.ts';

const deployment = (
  name: string,
  labels: string,
  namespace = 'default',
  ports = '[{containerPort: 8080, name: web}]',
): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec:\n  selector: {matchLabels: {${labels}}}\n  template: {metadata: {labels: {${labels}}}, spec: {containers: [{name: app, image: none, ports: ${ports}}]}}\n---\n`;
/** Behind the caller, at 127.9.1.2 and so on. */
const shop =
  deployment('shop-v1', 'app: shop, version: v1') + deployment('shop-v2', 'app: shop, version: v2');
const rule = (spec: string, name = 'shop', namespace = 'default'): string =>
  written('DestinationRule', name, spec, namespace);
const host = 'shop.default.svc.cluster.local';
const both = '127.9.1.2:8080 127.9.1.3:8080';
const http = (port: string): string => `[{name: http, ${port}}]`;
const plain = service('shop', http('port: 80, targetPort: 8080'));

const meanings: readonly Meaning[] = [
  { why: 'all instances that the service selects', documents: plain + shop, rows: [[`${host}:80`, both]] },
  { why: 'no instance', documents: plain, rows: [[`${host}:80`, 'none']] },
  {
    why: 'instances of the same namespace alone',
    documents: plain + deployment('shop', 'app: shop', 'other'),
    rows: [[`${host}:80`, 'none']],
  },
  {
    why: 'all labels of the selector',
    documents: `apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {selector: {app: shop, version: v2}, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n${shop}`,
    rows: [[`${host}:80`, '127.9.1.3:8080']],
  },
  {
    why: 'the port of the service, where no target is named',
    documents: service('shop', http('port: 8080')) + shop,
    rows: [[`${host}:8080`, both]],
  },
  {
    why: 'the target port by its name',
    documents: service('shop', http('port: 80, targetPort: web')) + shop,
    rows: [[`${host}:80`, both]],
  },
  {
    why: 'a name of a port that one instance has',
    documents:
      service('shop', http('port: 80, targetPort: web')) +
      deployment('shop-v1', 'app: shop') +
      deployment('shop-v2', 'app: shop', 'default', '[{containerPort: 9090, name: other}]'),
    rows: [[`${host}:80`, '127.9.1.2:8080']],
  },
  {
    why: 'a name of a port at another number of each',
    documents:
      service('shop', http('port: 80, targetPort: web')) +
      deployment('shop-v1', 'app: shop') +
      deployment('shop-v2', 'app: shop', 'default', '[{containerPort: 9090, name: web}]'),
    rows: [[`${host}:80`, '127.9.1.2:8080 127.9.1.3:9090']],
  },
  {
    why: 'each port by itself',
    documents:
      service(
        'shop',
        '[{name: http, port: 80, targetPort: 8080}, {name: http-admin, port: 81, targetPort: 9090}]',
      ) + shop,
    rows: [
      [`${host}:80`, both],
      [`${host}:81`, '127.9.1.2:9090 127.9.1.3:9090'],
    ],
  },
  {
    why: 'subsets by a label',
    documents:
      plain +
      shop +
      rule(`host: shop, subsets: [{name: a, labels: {version: v1}}, {name: b, labels: {version: v2}}]`),
    rows: [
      [`a of ${host}:80`, '127.9.1.2:8080'],
      [`b of ${host}:80`, '127.9.1.3:8080'],
    ],
  },
  {
    why: 'a subset by several labels',
    documents:
      plain +
      shop +
      rule(
        'host: shop, subsets: [{name: a, labels: {version: v1, app: shop}}, {name: b, labels: {version: v1, app: other}}]',
      ),
    rows: [
      [`a of ${host}:80`, '127.9.1.2:8080'],
      [`b of ${host}:80`, 'none'],
    ],
  },
  {
    why: 'a subset without labels is all',
    documents: plain + shop + rule('host: shop, subsets: [{name: all}]'),
    rows: [[`all of ${host}:80`, both]],
  },
  {
    why: 'subsets of each port',
    documents:
      service('shop', '[{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 7000}]') +
      shop +
      rule('host: shop, subsets: [{name: a, labels: {version: v1}}]'),
    rows: [[`a of ${host}:7000`, '127.9.1.2:7000']],
  },
  {
    why: 'a rule by the whole name of its host',
    documents: plain + shop + rule(`host: ${host}, subsets: [{name: a, labels: {version: v1}}]`),
    rows: [[`a of ${host}:80`, '127.9.1.2:8080']],
  },
  {
    why: 'a short name is one of the namespace of the rule',
    documents:
      plain + shop + rule('host: shop, subsets: [{name: a, labels: {version: v1}}]', 'shop', 'other'),
    rows: [[`a of ${host}:80`, 'none']],
  },
  {
    why: 'subsets of several rules of a host',
    documents:
      plain +
      shop +
      rule('host: shop, subsets: [{name: a, labels: {version: v1}}]', 'one') +
      rule('host: shop, subsets: [{name: b, labels: {version: v2}}]', 'two'),
    rows: [
      [`a of ${host}:80`, '127.9.1.2:8080'],
      [`b of ${host}:80`, '127.9.1.3:8080'],
    ],
  },
  {
    why: 'the first of two subsets of a name',
    documents:
      plain +
      shop +
      rule('host: shop, subsets: [{name: a, labels: {version: v1}}]', 'one') +
      rule('host: shop, subsets: [{name: a, labels: {version: v2}}]', 'two'),
    rows: [[`a of ${host}:80`, '127.9.1.2:8080']],
  },
  {
    why: 'the rule of the namespace of the caller before that of the service',
    documents:
      plain +
      shop +
      rule(`host: ${host}, subsets: [{name: a, labels: {version: v2}}]`, 'mine', 'mine') +
      rule('host: shop, subsets: [{name: a, labels: {version: v1}}]'),
    rows: [[`a of ${host}:80`, '127.9.1.3:8080']],
    from: { namespace: 'mine' },
  },
  {
    why: 'the rule of the service for callers of namespaces without',
    documents: plain + shop + rule('host: shop, subsets: [{name: a, labels: {version: v1}}]'),
    rows: [[`a of ${host}:80`, '127.9.1.2:8080']],
    from: { namespace: 'mine' },
  },
  {
    why: 'a rule that its namespace keeps',
    documents:
      plain + shop + rule('host: shop, exportTo: ["."], subsets: [{name: a, labels: {version: v1}}]'),
    rows: [[`a of ${host}:80`, 'none']],
    from: { namespace: 'mine' },
  },
  {
    why: 'a rule of the root namespace',
    documents:
      plain +
      shop +
      rule(`host: ${host}, subsets: [{name: a, labels: {version: v1}}]`, 'shop', 'istio-system'),
    rows: [[`a of ${host}:80`, '127.9.1.2:8080']],
  },
  {
    why: 'the rule of the most specific host',
    documents:
      plain +
      shop +
      rule('host: "*.default.svc.cluster.local", subsets: [{name: a, labels: {version: v1}}]', 'wide') +
      rule(`host: ${host}, subsets: [{name: a, labels: {version: v2}}]`, 'narrow'),
    rows: [[`a of ${host}:80`, '127.9.1.3:8080']],
  },
  {
    why: 'a rule for all hosts of a namespace',
    documents:
      plain + shop + rule('host: "*.default.svc.cluster.local", subsets: [{name: a, labels: {version: v1}}]'),
    rows: [[`a of ${host}:80`, '127.9.1.2:8080']],
  },
  {
    why: 'a rule for some callers',
    documents:
      plain +
      shop +
      rule(
        'host: shop, workloadSelector: {matchLabels: {app: caller}}, subsets: [{name: a, labels: {version: v1}}]',
      ),
    rows: [[`a of ${host}:80`, '127.9.1.2:8080']],
  },
  {
    why: 'a rule for other callers',
    documents:
      plain +
      shop +
      rule(
        'host: shop, workloadSelector: {matchLabels: {app: somebody}}, subsets: [{name: a, labels: {version: v1}}]',
      ),
    rows: [[`a of ${host}:80`, 'none']],
  },
  {
    why: 'the nearest instances first',
    documents:
      plain +
      deployment('shop-v1', 'app: shop, istio-locality: far.off.x') +
      deployment('shop-v2', 'app: shop, istio-locality: r.z.s') +
      rule('host: shop, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}'),
    rows: [[`${host}:80`, '127.9.1.3:8080 | 127.9.1.2:8080']],
    from: { labels: { app: 'caller', 'istio-locality': 'r.z.s' } },
  },
  {
    why: 'no places where they are switched off',
    documents:
      plain +
      deployment('shop-v1', 'app: shop, istio-locality: far.off.x') +
      deployment('shop-v2', 'app: shop, istio-locality: r.z.s') +
      rule(
        'host: shop, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}, loadBalancer: {localityLbSetting: {enabled: false}}}',
      ),
    rows: [[`${host}:80`, both]],
    from: { labels: { app: 'caller', 'istio-locality': 'r.z.s' } },
  },
];

testMeanings('', meanings);
