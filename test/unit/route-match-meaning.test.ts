/** Which requests of a caller in the mesh the HTTP routes of VirtualServices take. */
import { describe, test } from 'node:test';
import { checkRouting, type RoutingCase } from '../support/routing-case.ts';

const suites: Readonly<Record<string, readonly RoutingCase[]>> = {
  'no routes': [
    {
      why: 'to the service',
      written: [],
      rows: [
        ['/', '@'],
        ['http://reviews.default:9080/', '@'],
      ],
    },
    { why: 'to each port by itself', written: [], rows: [['http://reviews:9081/', 'reviews.default:9081']] },
    {
      why: 'a host nobody knows is none of the mesh',
      written: [],
      rows: [['http://nowhere:9080/', 'PassthroughCluster']],
    },
  ],
  paths: [
    {
      why: 'exact',
      written: 'http: [{match: [{uri: {exact: /a}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/a', '@v1'],
        ['/a?q=1', '@v1'],
        ['/a/', '@v2'],
        ['/A', '@v2'],
        ['/ab', '@v2'],
      ],
    },
    {
      why: 'a prefix is one of letters, not of segments',
      written: 'http: [{match: [{uri: {prefix: /a}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/a', '@v1'],
        ['/ab', '@v1'],
        ['/a/b', '@v1'],
        ['/b', '@v2'],
      ],
    },
    {
      why: 'a regex is for the whole path, without the query',
      written: 'http: [{match: [{uri: {regex: "/[a-z]+"}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/abc', '@v1'],
        ['/abc?x=1', '@v1'],
        ['/abc/d', '@v2'],
        ['/ABC', '@v2'],
      ],
    },
    {
      why: 'without regard to case',
      written: 'http: [{match: [{uri: {prefix: /Api}, ignoreUriCase: true}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/api/x', '@v1'],
        ['/API', '@v1'],
        ['/ap', '@v2'],
      ],
    },
    {
      why: 'the first route that matches, not the narrowest',
      written:
        'http: [{match: [{uri: {prefix: /}}], route: [@v1]}, {match: [{uri: {exact: /a}}], route: [@v2]}]',
      rows: [['/a', '@v1']],
    },
    {
      why: 'no route is no answer',
      written: 'http: [{match: [{uri: {exact: /a}}], route: [@v1]}]',
      rows: [
        ['/a', '@v1'],
        ['/b', '404'],
      ],
    },
  ],
  'conditions on the head': [
    {
      why: 'method',
      written: 'http: [{match: [{method: {exact: POST}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['POST /', '@v1'],
        ['GET /', '@v2'],
      ],
    },
    {
      why: 'method by regex',
      written: 'http: [{match: [{method: {regex: "P.+"}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['PUT /', '@v1'],
        ['PATCH /', '@v1'],
        ['GET /', '@v2'],
      ],
    },
    {
      why: 'authority, as the caller wrote it',
      written: 'http: [{match: [{authority: {exact: "reviews:9080"}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/', '@v1'],
        ['http://reviews.default:9080/', '@v2'],
      ],
    },
    {
      why: 'authority by prefix',
      written: 'http: [{match: [{authority: {prefix: reviews.}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/', '@v2'],
        ['http://reviews.default.svc:9080/', '@v1'],
      ],
    },
    {
      why: 'scheme',
      written: 'http: [{match: [{scheme: {exact: https}}], route: [@v1]}, {route: [@v2]}]',
      rows: [['/', '@v2']],
    },
    {
      why: 'a header, its name in any case',
      written: 'http: [{match: [{headers: {X-User: {exact: ann}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        [{ url: '/', headers: { 'x-user': 'ann' } }, '@v1'],
        [{ url: '/', headers: { 'x-user': 'Ann' } }, '@v2'],
        ['/', '@v2'],
      ],
    },
    {
      why: 'a header by prefix and by regex',
      written:
        'http: [{match: [{headers: {a: {prefix: x}, b: {regex: "[0-9]+"}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        [{ url: '/', headers: { a: 'xy', b: '12' } }, '@v1'],
        [{ url: '/', headers: { a: 'xy', b: '12a' } }, '@v2'],
        [{ url: '/', headers: { b: '12' } }, '@v2'],
      ],
    },
    {
      why: 'a header that is there',
      written: 'http: [{match: [{headers: {a: {}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        [{ url: '/', headers: { a: '' } }, '@v1'],
        ['/', '@v2'],
      ],
    },
    {
      why: 'an empty prefix is every value',
      written: 'http: [{match: [{headers: {a: {prefix: ""}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        [{ url: '/', headers: { a: 'x' } }, '@v1'],
        ['/', '@v2'],
      ],
    },
    {
      why: 'without a header',
      written: 'http: [{match: [{withoutHeaders: {a: {}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/', '@v1'],
        [{ url: '/', headers: { a: '1' } }, '@v2'],
      ],
    },
    {
      why: 'without a value: what is absent is without it',
      written: 'http: [{match: [{withoutHeaders: {a: {exact: "1"}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/', '@v1'],
        [{ url: '/', headers: { a: '2' } }, '@v1'],
        [{ url: '/', headers: { a: '1' } }, '@v2'],
      ],
    },
    {
      why: 'pseudo-headers are headers',
      written:
        'http: [{match: [{headers: {":path": {prefix: /a}, ":method": {exact: GET}}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/ab', '@v1'],
        ['POST /ab', '@v2'],
        ['/b', '@v2'],
      ],
    },
    {
      why: 'words that have fields of their own are no headers (Istio)',
      written: 'http: [{match: [{headers: {uri: {exact: /x}}}], route: [@v1]}]',
      rows: [['/', '@v1']],
    },
    {
      why: 'parameters of the query',
      written:
        'http: [{match: [{queryParams: {q: {exact: "1"}}}], route: [@v1]}, {match: [{queryParams: {r: {}}}], route: [@v3]}, {route: [@v2]}]',
      rows: [
        ['/?q=1', '@v1'],
        ['/?a=0&q=1', '@v1'],
        ['/?q=2', '@v2'],
        ['/?r', '@v3'],
        ['/', '@v2'],
      ],
    },
    {
      why: 'all of one match, any of several',
      written:
        'http: [{match: [{uri: {exact: /a}, method: {exact: GET}}, {uri: {exact: /b}}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['/a', '@v1'],
        ['POST /a', '@v2'],
        ['POST /b', '@v1'],
      ],
    },
  ],
  'conditions on the caller': [
    {
      why: 'the port that was called',
      written: 'http: [{match: [{port: 9081}], route: [@v1]}, {route: [@v2]}]',
      rows: [
        ['http://reviews:9081/', '@v1'],
        ['/', '@v2'],
      ],
    },
    {
      why: 'labels of the caller',
      written: 'http: [{match: [{sourceLabels: {app: caller}}], route: [@v1]}, {route: [@v2]}]',
      rows: [['/', '@v1']],
    },
    {
      why: 'labels of another caller',
      written: 'http: [{match: [{sourceLabels: {app: caller, tier: gold}}], route: [@v1]}, {route: [@v2]}]',
      rows: [['/', '@v2']],
    },
    {
      why: 'its namespace',
      written: 'http: [{match: [{sourceNamespace: default}], route: [@v1]}, {route: [@v2]}]',
      rows: [['/', '@v1']],
    },
    {
      why: 'another namespace',
      written: 'http: [{match: [{sourceNamespace: default}], route: [@v1]}, {route: [@v2]}]',
      rows: [['http://reviews.default:9080/', '@v2']],
      from: { namespace: 'other' },
    },
    {
      why: 'a match for gateways only',
      written: 'gateways: [mesh, edge], http: [{match: [{gateways: [edge]}], route: [@v1]}, {route: [@v2]}]',
      rows: [['/', '@v2']],
    },
    {
      why: 'a match for the mesh only',
      written: 'gateways: [mesh, edge], http: [{match: [{gateways: [mesh]}], route: [@v1]}, {route: [@v2]}]',
      rows: [['/', '@v1']],
    },
    {
      why: 'bound to a gateway, nothing of the mesh',
      written: 'gateways: [edge], http: [{route: [@v1]}]',
      rows: [['/', '@']],
    },
  ],
  hosts: [
    {
      why: 'a short name is one of the namespace of the VirtualService',
      written: [
        {
          namespace: 'other',
          spec: 'hosts: [ratings], http: [{route: [{destination: {host: ratings, subset: v1}}]}]',
        },
      ],
      rows: [
        ['http://ratings.other/', 'ratings.other:80/v1'],
        ['http://ratings/', 'ratings.default:80'],
      ],
    },
    {
      why: 'a full name',
      written: 'hosts: [reviews.default.svc.cluster.local], http: [{route: [@v1]}]',
      rows: [
        ['/', '@v1'],
        ['http://reviews.default.svc.cluster.local.:9080/', '@v1'],
      ],
    },
    {
      why: 'a wildcard',
      written: 'hosts: ["*.default.svc.cluster.local"], http: [{route: [@v1]}]',
      rows: [
        ['/', '@v1'],
        ['http://ratings/', '@v1'],
        ['http://ratings.other/', 'ratings.other:80'],
      ],
    },
    {
      why: 'a name before a wildcard, and the longer wildcard before the shorter',
      written: [
        { name: 'a', spec: 'hosts: ["*.svc.cluster.local"], http: [{route: [@v1]}]' },
        { name: 'b', spec: 'hosts: ["*.default.svc.cluster.local"], http: [{route: [@v2]}]' },
        { name: 'c', spec: 'http: [{route: [@v3]}]' },
      ],
      rows: [
        ['/', '@v3'],
        ['http://ratings/', '@v2'],
        ['http://ratings.other/', '@v1'],
      ],
    },
    {
      why: 'a host that is no service, on the port of HTTP',
      written: 'hosts: [shop.example.com], http: [{route: [@v1]}]',
      rows: [
        ['http://shop.example.com/', '@v1'],
        ['http://shop.example.com:80/', '@v1'],
        ['http://www.example.com/', 'PassthroughCluster'],
      ],
    },
    {
      why: 'a wildcard that is no service',
      written: 'hosts: ["*.example.com"], http: [{route: [@v1]}]',
      rows: [
        ['http://shop.example.com/', '@v1'],
        ['http://example.com/', 'PassthroughCluster'],
      ],
    },
    {
      why: 'a host of which only TCP routes speak stays as it was',
      written: 'tcp: [{route: [@v1]}]',
      rows: [['/', '@']],
    },
  ],
};

for (const [name, cases] of Object.entries(suites)) {
  describe(name, () => {
    for (const one of cases) test(one.why, () => checkRouting(one));
  });
}
