/** What becomes of requests that a route takes: rewrites, redirects, answers, headers. */
import type { Configuration } from './configuration.ts';

export const rewrites: readonly Configuration[] = [
  {
    name: 'rewrite of a prefix keeps the rest and the query',
    http: '{match: [{uri: {prefix: /old}}], rewrite: {uri: /new}, route: [@v1]}',
    through: 'both',
    asked: [
      {
        ask: { get: '/old/x?y=1' },
        see: { by: 'v1', path: '/new/x?y=1', sent: { 'x-envoy-original-path': '/old/x?y=1' } },
      },
      { ask: { get: '/old' }, see: { by: 'v1', path: '/new' } },
    ],
  },
  {
    name: 'rewrite of an exact path',
    http: '{match: [{uri: {exact: /old}}], rewrite: {uri: /new/place}, route: [@v1]}',
    through: 'both',
    asked: [{ ask: { get: '/old?y=1' }, see: { by: 'v1', path: '/new/place?y=1' } }],
  },
  {
    name: 'rewrite of a prefix with a slash to the root',
    http: '{match: [{uri: {prefix: /old/}}], rewrite: {uri: /}, route: [@v1]}',
    through: 'both',
    asked: [{ ask: { get: '/old/x/y' }, see: { by: 'v1', path: '/x/y' } }],
  },
  {
    name: 'rewrite by a regex with groups',
    http: '{rewrite: {uriRegexRewrite: {match: "^/users/([^/]+)/(.*)$", rewrite: "/\\\\2/of/\\\\1"}}, route: [@v1]}',
    through: 'both',
    asked: [
      { ask: { get: '/users/ann/books?x=1' }, see: { by: 'v1', path: '/books/of/ann?x=1' } },
      { ask: { get: '/others' }, see: { by: 'v1', path: '/others' } },
    ],
  },
  {
    name: 'rewrite of the authority',
    http: '{rewrite: {authority: inner.example.org}, route: [@v1]}',
    through: 'both',
    asked: [{ ask: { get: '/a' }, see: { by: 'v1', path: '/a', host: 'inner.example.org' } }],
  },
  {
    name: 'rewrite of path and authority',
    http: '{match: [{uri: {prefix: /a}}], rewrite: {uri: /b, authority: inner.example.org}, route: [@v1]}',
    through: 'both',
    asked: [{ ask: { get: '/a/c' }, see: { by: 'v1', path: '/b/c', host: 'inner.example.org' } }],
  },
  {
    name: 'no rewrite keeps host and path',
    http: '{route: [@v1]}',
    through: 'both',
    asked: [{ ask: { get: '/a%20b/c?d=%2f' }, see: { by: 'v1', path: '/a%20b/c?d=%2f', host: '<host>' } }],
  },
];

const redirect = (
  name: string,
  written: string,
  get: string,
  status: number,
  location: string,
): Configuration => ({
  name,
  http: `{match: [{uri: {prefix: /old}}], redirect: {${written}}}`,
  through: 'both',
  asked: [{ ask: { get }, see: { status, got: { location }, body: '' } }],
});

export const redirects: readonly Configuration[] = [
  redirect('redirect to a path', 'uri: /new', '/old/x?y=1', 301, 'http://<host>/new?y=1'),
  redirect(
    'redirect to a host',
    'authority: other.example.org',
    '/old?y=1',
    301,
    'http://other.example.org/old?y=1',
  ),
  redirect('redirect with a code', 'uri: /new, redirectCode: 308', '/old', 308, 'http://<host>/new'),
  redirect('redirect 302', 'uri: /new, redirectCode: 302', '/old', 302, 'http://<host>/new'),
  redirect('redirect to https', 'scheme: https', '/old/x', 301, 'https://<host>/old/x'),
  redirect('redirect to a port', 'port: 8443', '/old', 301, 'http://<host>:8443/old'),
  redirect(
    'redirect to https and a host',
    'scheme: https, authority: a.example.org, uri: /',
    '/old',
    301,
    'https://a.example.org/',
  ),
  redirect(
    'redirect to the port of the protocol',
    'authority: a.example.org, derivePort: FROM_PROTOCOL_DEFAULT',
    '/old',
    301,
    'http://a.example.org/old',
  ),
  redirect('redirect of a prefix', 'uri: "%PREFIX()%/new"', '/old/x', 301, 'http://<host>/new/x'),
];

export const answers: readonly Configuration[] = [
  {
    name: 'direct response with a text',
    http: '{match: [{uri: {exact: /a}}], directResponse: {status: 418, body: {string: "a teapot"}}}, {route: [@v1]}',
    through: 'both',
    asked: [
      { ask: { get: '/a' }, see: { status: 418, body: 'a teapot', attempts: 0 } },
      { ask: { get: '/b' }, see: { by: 'v1' } },
    ],
  },
  {
    name: 'direct response of bytes',
    http: '{directResponse: {status: 200, body: {bytes: aGVsbG8=}}}',
    through: 'both',
    asked: [{ ask: {}, see: { body: 'hello' } }],
  },
  {
    name: 'direct response without a body, with headers',
    http: '{directResponse: {status: 503}, headers: {response: {set: {retry-after: "7"}}}}',
    through: 'both',
    asked: [{ ask: {}, see: { status: 503, body: '', got: { 'retry-after': '7' } } }],
  },
];

const come = { replies: { 'x-from': 'backend', 'x-secret': 'yes' } };

export const headers: readonly Configuration[] = [
  {
    name: 'request headers set and added',
    http: '{route: [@v1], headers: {request: {set: {x-a: new}, add: {x-b: more}}}}',
    through: 'both',
    asked: [
      {
        ask: { headers: { 'x-a': 'old', 'x-b': 'some' } },
        see: { by: 'v1', sent: { 'x-a': 'new', 'x-b': 'some, more' } },
      },
      { ask: {}, see: { by: 'v1', sent: { 'x-a': 'new', 'x-b': 'more' } } },
    ],
  },
  {
    name: 'request headers removed',
    http: '{route: [@v1], headers: {request: {remove: [x-a, X-B]}}}',
    through: 'both',
    asked: [
      {
        ask: { headers: { 'x-a': '1', 'x-b': '2', 'x-c': '3' } },
        see: { by: 'v1', sent: { 'x-a': null, 'x-b': null, 'x-c': '3' } },
      },
    ],
  },
  {
    name: 'response headers set, added and removed',
    http: '{route: [@v1], headers: {response: {set: {x-from: mesh}, add: {x-more: "1"}, remove: [x-secret]}}}',
    through: 'both',
    asked: [{ ask: come, see: { by: 'v1', got: { 'x-from': 'mesh', 'x-more': '1', 'x-secret': null } } }],
  },
  {
    name: 'headers of a destination after those of the route',
    http: '{headers: {request: {set: {x-a: route}, add: {x-list: route}}}, route: [{destination: {host: <host>, subset: v1, port: {number: 80}}, headers: {request: {add: {x-list: destination}}, response: {set: {x-from: destination}}}}]}',
    through: 'both',
    asked: [{ ask: come, see: { by: 'v1', sent: { 'x-a': 'route' }, got: { 'x-from': 'destination' } } }],
  },
  {
    name: 'headers of one of two destinations',
    http: '{route: [{destination: {host: <host>, subset: v1, port: {number: 80}}, weight: 100, headers: {response: {add: {x-version: one}}}}, {destination: {host: <host>, subset: v2, port: {number: 80}}, weight: 0, headers: {response: {add: {x-version: two}}}}]}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', got: { 'x-version': 'one' } } }],
  },
  {
    name: 'the host by a header',
    http: '{route: [@v1], headers: {request: {set: {Host: other.example.org}}}}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', host: 'other.example.org' } }],
  },
  {
    name: 'headers out of what the request is',
    http: '{route: [@v1], headers: {request: {set: {x-method: "%REQ(:method)%", x-copy: "%REQ(x-user)%", x-percent: "100%%"}}, response: {set: {x-code: "%RESPONSE_CODE%"}}}}',
    through: 'both',
    asked: [
      {
        ask: { get: 'PUT /', headers: { 'x-user': 'ann' } },
        see: {
          by: 'v1',
          sent: { 'x-method': 'PUT', 'x-copy': 'ann', 'x-percent': '100%' },
          got: { 'x-code': '200' },
        },
      },
    ],
  },
];
