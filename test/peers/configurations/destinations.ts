/** How callers talk to a service: `trafficPolicy` of DestinationRules. */
import type { Configuration } from './configuration.ts';

const all = '{route: [{destination: {host: <host>, port: {number: 80}}}]}';
const versions = ['200 v1', '200 v2', '200 v3'];
const user = (name: string) => ({ headers: { 'x-user': name } });

const hashed = (name: string, hash: string, asks: Configuration['asked']): Configuration => ({
  name,
  policy: `trafficPolicy: {loadBalancer: {consistentHash: ${hash}}}`,
  http: all,
  through: 'both',
  asked: asks,
});

export const balancing: readonly Configuration[] = [
  {
    name: 'round robin',
    http: all,
    policy: 'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}',
    through: 'both',
    asked: [{ ask: {}, times: 9, counts: { '200 v1': 3, '200 v2': 3, '200 v3': 3 } }],
  },
  {
    name: 'random',
    http: all,
    policy: 'trafficPolicy: {loadBalancer: {simple: RANDOM}}',
    through: 'both',
    asked: [{ ask: {}, times: 300, shares: { '200 v1': 33.3, '200 v2': 33.3, '200 v3': 33.4 } }],
  },
  {
    name: 'least request, all that are idle alike',
    http: all,
    policy: 'trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}',
    through: 'both',
    asked: [{ ask: {}, times: 300, shares: { '200 v1': 33.3, '200 v2': 33.3, '200 v3': 33.4 } }],
  },
  hashed('hash of a header', '{httpHeaderName: x-user}', [
    { ask: user('ann'), times: 8, alike: versions },
    { ask: user('bob'), times: 8, alike: versions },
  ]),
  hashed('hash of a query parameter', '{httpQueryParameterName: user}', [
    { ask: { get: '/?user=ann' }, times: 8, alike: versions },
    { ask: { get: '/?a=b&user=bob' }, times: 8, alike: versions },
  ]),
  hashed('hash of the caller', '{useSourceIp: true}', [{ ask: {}, times: 8, alike: versions }]),
  hashed('hash of a cookie that comes', '{httpCookie: {name: session, ttl: 0s}}', [
    { ask: { headers: { cookie: 'session=ann' } }, times: 8, alike: versions },
    { ask: {}, see: { got: { 'set-cookie': /^session="?[^;]+"?; HttpOnly$/ } } },
  ]),
  hashed('hash of a cookie that is given', '{httpCookie: {name: session, ttl: 60s, path: /a}}', [
    { ask: {}, see: { got: { 'set-cookie': /^session="?[^;]+"?; Max-Age=60; Path=\/a; HttpOnly$/ } } },
    { ask: { headers: { cookie: 'session=ann' } }, see: { got: { 'set-cookie': null } } },
  ]),
  hashed('hash by maglev', '{httpHeaderName: x-user, maglev: {tableSize: 101}}', [
    { ask: user('ann'), times: 8, alike: versions },
  ]),
  hashed('hash by a ring of a size', '{httpHeaderName: x-user, ringHash: {minimumRingSize: 64}}', [
    { ask: user('ann'), times: 8, alike: versions },
  ]),
  {
    name: 'balancing of a port',
    http: all,
    policy:
      'trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]}',
    through: 'both',
    asked: [{ ask: {}, times: 6, counts: { '200 v1': 2, '200 v2': 2, '200 v3': 2 } }],
  },
  {
    name: 'balancing of a subset',
    http: '{route: [{destination: {host: <host>, subset: both, port: {number: 80}}}]}',
    policy:
      'trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: both, labels: {app: backend}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}]',
    through: 'both',
    asked: [{ ask: {}, times: 6, counts: { '200 v1': 2, '200 v2': 2, '200 v3': 2 } }],
  },
  {
    name: 'warm-up leaves nobody out',
    http: all,
    policy:
      'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s, minimumPercent: 10}}}',
    through: 'both',
    asked: [{ ask: {}, see: {} }],
  },
];

export const limits: readonly Configuration[] = [
  {
    name: 'outliers are left alone',
    http: `{route: [{destination: {host: <host>, port: {number: 80}}}], retries: {attempts: 0}}`,
    policy:
      'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 2, interval: 3600s, baseEjectionTime: 3600s, maxEjectionPercent: 100}}',
    through: 'both',
    asked: [
      { ask: { answers: { v2: '503' } }, times: 6, statuses: true, settles: true, counts: { '200': 6 } },
      { ask: {}, times: 6, counts: { '200 v1': 3, '200 v3': 3 } },
    ],
  },
  {
    name: 'outliers by gateway errors alone',
    http: `{route: [{destination: {host: <host>, port: {number: 80}}}], retries: {attempts: 0}}`,
    policy:
      'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutiveGatewayErrors: 1, consecutive5xxErrors: 0, interval: 3600s, baseEjectionTime: 3600s, maxEjectionPercent: 100}}',
    through: 'both',
    asked: [
      { ask: { answers: { v2: '500' } }, times: 6, counts: { '200 v1': 2, '200 v3': 2, '500 v2': 2 } },
      { ask: { answers: { v2: '503' } }, times: 6, statuses: true, settles: true, counts: { '200': 6 } },
    ],
  },
  {
    name: 'no more outliers than the percent allows',
    http: `{route: [{destination: {host: <host>, port: {number: 80}}}], retries: {attempts: 0}}`,
    policy:
      'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 1, interval: 3600s, baseEjectionTime: 3600s, maxEjectionPercent: 34}}',
    through: 'both',
    asked: [
      { ask: { answers: { v1: '503' } }, times: 6, settles: true, counts: { '200 v2': 3, '200 v3': 3 } },
      { ask: { answers: { v2: '503' } }, times: 8, counts: { '503 v2': 4, '200 v3': 4 } },
    ],
  },
  {
    name: 'one connection, one that waits',
    http: '{route: [@v1], retries: {attempts: 0}, timeout: 1s}',
    policy: 'trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}',
    through: 'both',
    asked: [
      // A connection is there before there are several requests.
      { ask: {}, see: { by: 'v1' } },
      { ask: { answers: { any: 'wait' } }, times: 4, together: true, counts: { '503': 2, '504': 2 } },
    ],
  },
  {
    name: 'no more requests than one over HTTP/2',
    ports: ['http2'],
    http: '{route: [{destination: {host: <host>, subset: v1, port: {number: 81}}}], retries: {attempts: 0}, timeout: 1s}',
    policy: 'trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1}}}',
    through: 'gateway',
    asked: [{ ask: { answers: { any: 'wait' } }, times: 3, together: true, counts: { '503': 2, '504': 1 } }],
  },
  {
    name: 'one request a connection',
    http: '{route: [@v1]}',
    policy: 'trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}',
    through: 'both',
    asked: [{ ask: {}, times: 4, counts: { '200 v1': 4 } }],
  },
  {
    name: 'HTTP/2 to those who can',
    service: '{selector: {app: backend}, ports: [{name: http, port: 80, targetPort: 8081}]}',
    http: '{route: [@v1]}',
    policy: 'trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', spoken: '2.0' } }],
  },
  {
    name: 'the protocol of the caller',
    http: '{route: [@v1]}',
    policy: 'trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', spoken: '1.1' } }],
  },
  {
    name: 'time to connect',
    http: '{route: [@v1]}',
    policy:
      'trafficPolicy: {connectionPool: {tcp: {connectTimeout: 2s, tcpKeepalive: {time: 60s, interval: 10s, probes: 3}}}}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1' } }],
  },
  {
    name: 'a budget of retries',
    http: '{route: [@v1], retries: {attempts: 2, retryOn: 5xx}}',
    policy: 'trafficPolicy: {retryBudget: {percent: 20, minRetryConcurrency: 3}}',
    through: 'both',
    asked: [{ ask: { answers: { any: '503,200' } }, see: { by: 'v1', attempts: 2 } }],
  },
];

const secure = (name: string, tls: string, see: Configuration['asked'][number]): Configuration => ({
  name,
  ports: ['http', 'secure'],
  http: '{route: [{destination: {host: <host>, subset: v1, port: {number: 82}}}]}',
  policy: `trafficPolicy: {tls: {${tls}}}`,
  through: 'both',
  asked: [see],
});

export const originations: readonly Configuration[] = [
  secure(
    'tls begins at the proxy',
    'mode: SIMPLE, caCertificates: <folder>/ca.pem, sni: origin.example.com',
    {
      ask: {},
      see: { by: 'v1', spoken: 'origin.example.com for nobody' },
    },
  ),
  secure(
    'tls with a certificate of the caller',
    'mode: MUTUAL, caCertificates: <folder>/ca.pem, sni: backend.example.com, clientCertificate: <folder>/alice.crt, privateKey: <folder>/alice.key',
    { ask: {}, see: { by: 'v1', spoken: 'backend.example.com for alice.example.com' } },
  ),
  secure(
    'tls to one of these names',
    'mode: SIMPLE, caCertificates: <folder>/ca.pem, sni: else.example.com, subjectAltNames: [other.example.com, origin.example.com]',
    { ask: {}, see: { by: 'v1', spoken: 'else.example.com for nobody' } },
  ),
  secure(
    'tls to none of these names',
    'mode: SIMPLE, caCertificates: <folder>/ca.pem, sni: origin.example.com, subjectAltNames: [other.example.com]',
    { ask: {}, see: { status: 503 } },
  ),
  secure(
    'tls of an authority that is not trusted',
    'mode: SIMPLE, caCertificates: <folder>/alice.crt, sni: origin.example.com',
    { ask: {}, see: { status: 503 } },
  ),
  secure('tls whoever it is', 'mode: SIMPLE, insecureSkipVerify: true, sni: origin.example.com', {
    ask: {},
    see: { by: 'v1', spoken: 'origin.example.com for nobody' },
  }),
  {
    name: 'tls of a port alone',
    ports: ['http', 'secure'],
    http: '{match: [{uri: {prefix: /secure}}], route: [{destination: {host: <host>, subset: v1, port: {number: 82}}}]}, {route: [@v1]}',
    policy:
      'trafficPolicy: {portLevelSettings: [{port: {number: 82}, tls: {mode: SIMPLE, caCertificates: <folder>/ca.pem, sni: origin.example.com}}]}',
    through: 'both',
    asked: [
      { ask: { get: '/secure' }, see: { by: 'v1', spoken: 'origin.example.com for nobody' } },
      { ask: {}, see: { by: 'v1', spoken: '1.1' } },
    ],
  },
];
