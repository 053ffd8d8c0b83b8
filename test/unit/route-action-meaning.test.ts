/** What the HTTP routes of VirtualServices do with a request that they take, and which of several takes it. */
import { describe, test } from 'node:test';
import { checkRouting, type RoutingCase } from '../support/routing-case.ts';

const suites: Readonly<Record<string, readonly RoutingCase[]>> = {
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
