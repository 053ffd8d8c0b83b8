/** Which of several destinations. */
import type { Configuration } from './configuration.ts';

const to = (subset: string, weight: number): string =>
  `{destination: {host: <host>, subset: ${subset}, port: {number: 80}}, weight: ${weight}}`;

export const weights: readonly Configuration[] = [
  {
    name: 'weights 80 to 20',
    http: `{route: [${to('v1', 80)}, ${to('v2', 20)}]}`,
    through: 'both',
    asked: [{ ask: {}, times: 400, shares: { '200 v1': 80, '200 v2': 20 } }],
  },
  {
    name: 'weights that are not of a hundred',
    http: `{route: [${to('v1', 1)}, ${to('v2', 2)}, ${to('v3', 1)}]}`,
    through: 'both',
    asked: [{ ask: {}, times: 400, shares: { '200 v1': 25, '200 v2': 50, '200 v3': 25 } }],
  },
  {
    name: 'weight 0 gets nothing',
    http: `{route: [${to('v1', 100)}, ${to('v2', 0)}]}`,
    through: 'both',
    asked: [{ ask: {}, times: 20, counts: { '200 v1': 20 } }],
  },
  {
    name: 'weights of another host too',
    http: `{route: [${to('v1', 50)}, {destination: {host: weight-0-gets-nothing, subset: v3, port: {number: 80}}, weight: 50}]}`,
    through: 'both',
    asked: [{ ask: {}, times: 300, shares: { '200 v1': 50, '200 v3': 50 } }],
  },
  {
    name: 'weights that keep a user',
    http: `{route: [${to('v1', 50)}, ${to('v2', 50)}]}`,
    policy: 'trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}',
    through: 'both',
    asked: ['ann', 'bob', 'eve'].map((user) => ({
      ask: { headers: { 'x-user': user } },
      times: 12,
      alike: ['200 v1', '200 v2'],
    })),
  },
  {
    name: 'a subset that nobody has',
    http: '{route: [{destination: {host: <host>, subset: v9, port: {number: 80}}}]}',
    policy: 'subsets: [{name: v9, labels: {version: v9}}]',
    through: 'both',
    asked: [{ ask: {}, see: { status: 503, body: 'no healthy upstream' } }],
  },
  {
    name: 'a subset of all labels',
    http: '{route: [{destination: {host: <host>, subset: second, port: {number: 80}}}]}',
    policy: 'subsets: [{name: second, labels: {app: backend, version: v2}}]',
    through: 'both',
    asked: [{ ask: {}, times: 4, counts: { '200 v2': 4 } }],
  },
  {
    name: 'a destination at another port',
    http: '{route: [{destination: {host: <host>, subset: v2, port: {number: 81}}}]}',
    ports: ['http', 'http2'],
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v2', spoken: '2.0' } }],
  },
  {
    name: 'a destination that is not there',
    http: '{route: [{destination: {host: nobody.default.svc.cluster.local, port: {number: 80}}}]}',
    through: 'both',
    asked: [{ ask: {}, see: { status: 503 } }],
  },
  {
    name: 'delegates',
    spec: 'http: [{match: [{uri: {prefix: /a}}], delegate: {name: delegates-child}}, {route: [@v3]}]',
    documents: `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: delegates-child}
spec: {http: [{match: [{uri: {prefix: /a/b}}], rewrite: {uri: /b}, route: [{destination: {host: delegates, subset: v1, port: {number: 80}}}]}, {route: [{destination: {host: delegates, subset: v2, port: {number: 80}}}]}]}
---
`,
    through: 'both',
    asked: [
      { ask: { get: '/a/b/c' }, see: { by: 'v1', path: '/b/c' } },
      { ask: { get: '/a' }, see: { by: 'v2' } },
      { ask: { get: '/b' }, see: { by: 'v3' } },
    ],
  },
];

const origin = (origin: string, more = {}) => ({ headers: { origin, ...more } });

export const cors: readonly Configuration[] = [
  {
    name: 'cors of an exact origin',
    http: '{corsPolicy: {allowOrigins: [{exact: "https://a.example.org"}], allowMethods: [GET, POST], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 10m, allowCredentials: true}, route: [@v1]}',
    through: 'both',
    asked: [
      {
        ask: {
          get: 'OPTIONS /',
          ...origin('https://a.example.org', { 'access-control-request-method': 'POST' }),
        },
        see: {
          attempts: 0,
          got: {
            'access-control-allow-origin': 'https://a.example.org',
            'access-control-allow-methods': 'GET,POST',
            'access-control-allow-headers': 'x-a',
            'access-control-max-age': '600',
            'access-control-allow-credentials': 'true',
          },
        },
      },
      {
        ask: origin('https://a.example.org'),
        see: {
          by: 'v1',
          got: {
            'access-control-allow-origin': 'https://a.example.org',
            'access-control-expose-headers': 'x-b',
          },
        },
      },
      {
        ask: origin('https://b.example.org'),
        see: { by: 'v1', got: { 'access-control-allow-origin': null } },
      },
    ],
  },
  {
    name: 'cors by regex and prefix',
    http: '{corsPolicy: {allowOrigins: [{regex: "https://[a-c]\\\\.example\\\\.org"}, {prefix: "http://local"}]}, route: [@v1]}',
    through: 'both',
    asked: [
      {
        ask: origin('https://b.example.org'),
        see: { by: 'v1', got: { 'access-control-allow-origin': 'https://b.example.org' } },
      },
      {
        ask: origin('http://localhost'),
        see: { got: { 'access-control-allow-origin': 'http://localhost' } },
      },
      { ask: origin('https://d.example.org'), see: { got: { 'access-control-allow-origin': null } } },
    ],
  },
  {
    name: 'cors preflight of others is forwarded',
    http: '{corsPolicy: {allowOrigins: [{exact: "https://a.example.org"}], unmatchedPreflights: FORWARD}, route: [@v1]}',
    through: 'both',
    asked: [
      {
        ask: {
          get: 'OPTIONS /',
          ...origin('https://b.example.org', { 'access-control-request-method': 'POST' }),
        },
        see: { by: 'v1', attempts: 1 },
      },
    ],
  },
  {
    name: 'cors preflight of others is answered',
    http: '{corsPolicy: {allowOrigins: [{exact: "https://a.example.org"}], unmatchedPreflights: IGNORE}, route: [@v1]}',
    through: 'both',
    asked: [
      {
        ask: {
          get: 'OPTIONS /',
          ...origin('https://b.example.org', { 'access-control-request-method': 'POST' }),
        },
        see: { attempts: 0, got: { 'access-control-allow-origin': null } },
      },
    ],
  },
];
