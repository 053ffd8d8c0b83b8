/** What the HTTP routes of VirtualServices mean: a request of a caller in the mesh, and where it goes. */
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
  destinations: [
    {
      why: 'the only port of a service',
      written: 'http: [{route: [{destination: {host: ratings}}]}]',
      rows: [['/', 'ratings.default:80']],
    },
    {
      why: 'of several ports the one that was called',
      written: 'http: [{route: [{destination: {host: reviews}}]}]',
      rows: [
        ['/', '@'],
        ['http://reviews:9081/', 'reviews.default:9081'],
      ],
    },
    {
      why: 'a port',
      written: 'http: [{route: [{destination: {host: reviews, port: {number: 9081}}}]}]',
      rows: [['/', 'reviews.default:9081']],
    },
    {
      why: 'another namespace, by name and namespace',
      written: 'http: [{route: [{destination: {host: ratings.other}}]}]',
      rows: [['/', 'ratings.other:80']],
    },
    {
      why: 'a service that is not there keeps its place',
      written: 'http: [{route: [{destination: {host: gone}}]}]',
      rows: [['/', 'gone.default:9080']],
    },
  ],
  actions: [
    {
      why: 'a prefix is rewritten',
      written: 'http: [{match: [{uri: {prefix: /v1}}], rewrite: {uri: /}, route: [@v1]}]',
      rows: [
        ['/v1/x', '@v1 path=//x'],
        ['/v1', '@v1 path=/'],
      ],
    },
    {
      why: 'an exact path is rewritten',
      written: 'http: [{match: [{uri: {exact: /a}}], rewrite: {uri: /b}, route: [@v1]}]',
      rows: [['/a?q=1', '@v1 path=/b?q=1']],
    },
    {
      why: 'a path is rewritten by regex',
      written:
        'http: [{rewrite: {uriRegexRewrite: {match: "/service/([^/]+)(/.*)$", rewrite: "\\\\2/instance/\\\\1"}}, route: [@v1]}]',
      rows: [
        ['/service/foo/v1/api', '@v1 path=/v1/api/instance/foo'],
        ['/other', '@v1'],
      ],
    },
    {
      why: 'the host is rewritten',
      written: 'http: [{rewrite: {authority: reviews.example.com}, route: [@v1]}]',
      rows: [['/', '@v1 host=reviews.example.com']],
    },
    {
      why: 'headers of the route and of the destination',
      written:
        'http: [{headers: {request: {set: {a: "1"}, remove: [gone]}}, route: [{destination: {host: ratings}, headers: {request: {add: {b: "2"}}}}]}]',
      rows: [
        ['/', 'ratings.default:80 a: 1 b: 2'],
        [{ url: '/', headers: { gone: 'x', a: '0' } }, 'ratings.default:80 a: 1 b: 2 -gone -a'],
      ],
    },
    {
      why: 'to set the host is to rewrite it, in any spelling',
      written:
        'http: [{match: [{uri: {exact: /a}}], headers: {request: {set: {":authority": a.example}}}, route: [@v1]}, {match: [{uri: {exact: /b}}], headers: {request: {set: {Host: b.example}}}, route: [@v1]}, {headers: {request: {add: {host: c.example}}}, route: [@v1]}]',
      rows: [
        ['/a', '@v1 host=a.example'],
        ['/b', '@v1 host=b.example'],
        ['/', '@v1 host=c.example'],
      ],
    },
    {
      why: 'the rewrite of a route before what its headers set, and that of its destination before both',
      written:
        'http: [{match: [{uri: {exact: /a}}], rewrite: {authority: a.example}, headers: {request: {set: {host: b.example}}}, route: [@v1]}, {rewrite: {authority: a.example}, route: [{destination: {host: ratings}, headers: {request: {set: {host: c.example}}}}]}]',
      rows: [
        ['/a', '@v1 host=a.example'],
        ['/', 'ratings.default:80 host=c.example'],
      ],
    },
    {
      why: 'the host cannot be removed',
      written: 'http: [{headers: {request: {remove: [host, x]}}, route: [@v1]}]',
      rows: [[{ url: '/', headers: { x: '1' } }, '@v1 -x']],
    },
    {
      why: 'redirects',
      written:
        'http: [{match: [{uri: {exact: /a}}], redirect: {uri: /b}}, {match: [{uri: {exact: /c}}], redirect: {authority: x.example, redirectCode: 307}}, {match: [{uri: {exact: /d}}], redirect: {scheme: https, port: 8443}}, {match: [{uri: {prefix: /e}}], redirect: {uri: "%PREFIX()%/f"}}, {redirect: {derivePort: FROM_REQUEST_PORT, authority: y.example, redirectCode: 0}}]',
      rows: [
        ['/a?q=1', '301 http://reviews:9080/b?q=1'],
        ['/c', '307 http://x.example:9080/c'.replace(':9080', '')],
        ['/d', '301 https://reviews:8443/d'],
        ['/e/1', '301 http://reviews:9080/f/1'],
        ['/z', '301 http://y.example:9080/z'],
      ],
    },
    {
      why: 'a reply',
      written:
        'http: [{match: [{uri: {prefix: /teapot}}], directResponse: {status: 418, body: {string: tea}}}, {route: [@v1]}]',
      rows: [
        ['/teapot', '418'],
        ['/', '@v1'],
      ],
    },
  ],
  'several of one host': [
    {
      why: 'both hold, in order of their names',
      written: [
        { name: 'b', spec: 'http: [{match: [{uri: {prefix: /a}}], route: [@v2]}]' },
        { name: 'a', spec: 'http: [{match: [{uri: {exact: /a}}], route: [@v1]}]' },
      ],
      rows: [
        ['/a', '@v1'],
        ['/ab', '@v2'],
        ['/b', '404'],
      ],
    },
    {
      why: 'what takes everything comes last',
      written: [
        { name: 'a', spec: 'http: [{route: [@v1]}]' },
        { name: 'b', spec: 'http: [{match: [{uri: {prefix: /b}}], route: [@v2]}]' },
      ],
      rows: [
        ['/', '@v1'],
        ['/b', '@v2'],
      ],
    },
    {
      why: 'of two that take everything the first has it',
      written: [
        { name: 'b', spec: 'http: [{route: [@v2]}]' },
        { name: 'a', spec: 'http: [{route: [@v1]}]' },
      ],
      rows: [['/', '@v1']],
    },
    {
      why: 'a prefix of everything is everything',
      written: [
        { name: 'a', spec: 'http: [{match: [{uri: {prefix: /}}], route: [@v1]}]' },
        { name: 'b', spec: 'http: [{match: [{uri: {prefix: /b}}], route: [@v2]}]' },
      ],
      rows: [
        ['/', '@v1'],
        ['/b', '@v2'],
      ],
    },
    {
      why: 'what stands behind a route for everything stays behind it',
      written: [
        { name: 'a', spec: 'http: [{route: [@v1]}, {match: [{uri: {prefix: /b}}], route: [@v3]}]' },
        { name: 'b', spec: 'http: [{match: [{uri: {prefix: /bb}}], route: [@v2]}]' },
      ],
      rows: [
        ['/b', '@v1'],
        ['/bb', '@v2'],
      ],
    },
    {
      why: 'from several namespaces, each with its own short names',
      written: [
        {
          namespace: 'default',
          spec: 'http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: ratings}}]}]',
        },
        {
          namespace: 'other',
          spec: 'hosts: [reviews.default.svc.cluster.local], http: [{route: [{destination: {host: ratings}}]}]',
        },
      ],
      rows: [
        ['/a', 'ratings.default:80'],
        ['/', 'ratings.other:80'],
      ],
    },
    {
      why: 'of which one concerns others alone',
      written: [
        { name: 'a', spec: 'http: [{match: [{sourceLabels: {app: somebody}}], route: [@v1]}]' },
        { name: 'b', spec: 'http: [{route: [@v2]}]' },
      ],
      rows: [['/', '@v2']],
    },
  ],
};

for (const [name, cases] of Object.entries(suites)) {
  describe(name, () => {
    for (const one of cases) test(one.why, () => checkRouting(one));
  });
}
