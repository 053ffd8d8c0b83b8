/** What DestinationRules say. */
import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { eventually } from '../../support/eventually.ts';
import { assertDivided, type GrpcCase, only, type Rig, versions } from './case.ts';
import { service } from './documents.ts';

const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);

/** The versions that users get, each of whom stays with one. */
async function versionsOfUsers({ ask }: Rig, host: string): Promise<Set<string>> {
  const answers = async (): Promise<string[]> =>
    Promise.all(users.map((user) => ask({ to: `${host}:7070`, headers: { 'x-user': user } })));
  // A ring has those alone to whom there is a connection.
  await eventually(async () => assert.equal(new Set(await answers()).size, 2));
  const first = await answers();
  assert.deepEqual(await answers(), first);
  return new Set(first);
}

function balanced(word: string): GrpcCase {
  const host = `${word.toLowerCase().replace('_', '-')}.test`;
  return {
    name: `${word} is no reason to refuse`,
    documents: (rig) => service(host, versions(rig), { policy: `{loadBalancer: {simple: ${word}}}` }),
    check: (rig) => assertDivided(rig, host, { v1: 50, v2: 50 }),
  };
}

function hashed(more: string, position: number): GrpcCase {
  const host = `hash-${position}.test`;
  const policy = `{loadBalancer: {consistentHash: {httpHeaderName: x-user${more}}}}`;
  return {
    name: `equal headers go to equal endpoints${more}`,
    documents: (rig) => service(host, versions(rig), { policy }),
    check: async (rig) => assert.deepEqual(await versionsOfUsers(rig, host), new Set(['v1', 'v2'])),
  };
}

const mutual = (account: string): string =>
  `{tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/default/sa/${account}"]}}`;

export const policyCases: readonly GrpcCase[] = [
  ...['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', 'PASSTHROUGH'].map(balanced),
  ...['', ', ringHash: {minimumRingSize: 2000}', ', maglev: {}'].map(hashed),
  {
    name: 'a hash of what no client looks at is none',
    documents: (rig) =>
      service('cookie.test', versions(rig), {
        policy: '{loadBalancer: {consistentHash: {httpCookie: {name: u, ttl: 1h}}}}',
      }),
    check: async ({ ask }) => {
      assert.match(await ask({ to: 'cookie.test:7070' }), /^v[12]$/);
    },
  },
  {
    name: 'places share as is said',
    documents: ({ v1, v2 }) =>
      service(
        'shares.test',
        [
          { port: v1.port, version: 'v1', locality: 'r1/z1' },
          { port: v2.port, version: 'v2', locality: 'r2/z1' },
        ],
        {
          policy:
            '{loadBalancer: {localityLbSetting: {distribute: [{from: "r1/*", to: {"r1/*": 80, "r2/*": 20}}]}}}',
        },
      ),
    check: (rig) => assertDivided(rig, 'shares.test', { v1: 80, v2: 20 }),
  },
  {
    name: 'the next place answers when nobody of the nearest does',
    documents: ({ mortal, v2 }) =>
      service(
        'failover.test',
        [
          { port: mortal.port, version: 'v1', locality: 'r1/z1' },
          { port: v2.port, version: 'v2', locality: 'r2/z1' },
        ],
        { policy: '{outlierDetection: {consecutive5xxErrors: 3}}' },
      ),
    check: async ({ ask, call, backends: { mortal } }) => {
      for (let i = 0; i < 20; i++) assert.equal(await ask({ to: 'failover.test:7070' }), 'mortal');
      mortal.stop();
      await eventually(async () => assert.equal((await call({ to: 'failover.test:7070' })).text, 'v2'));
    },
  },
  {
    name: 'an endpoint that is not there gets no calls',
    documents: ({ dead, v2 }) =>
      service('dead.test', [
        { port: dead.port, version: 'v1' },
        { port: v2.port, version: 'v1' },
      ]),
    check: async ({ ask }) => {
      for (let call = 0; call < 20; call++) assert.equal(await ask({ to: 'dead.test:7070' }), 'v2');
    },
  },
  {
    name: 'one that is written twice is one',
    documents: ({ v1, v2 }) =>
      service('double.test', [...only(v1), ...only(v1), { port: v2.port, version: 'v2' }]),
    check: (rig) => assertDivided(rig, 'double.test', { v1: 50, v2: 50 }),
  },
  {
    name: 'no more calls under way than is said',
    documents: ({ slow }) =>
      service('limited.test', only(slow), { policy: '{connectionPool: {http: {http2MaxRequests: 1}}}' }),
    check: async ({ ask, code, backends: { slow } }) => {
      const before = slow.count;
      const first = ask({ to: 'limited.test:7070' });
      // Node's client counts calls when they have begun.
      await eventually(() => assert.ok(slow.count > before));
      assert.equal(await code({ to: 'limited.test:7070' }), status.UNAVAILABLE);
      assert.equal(await first, 'slow');
    },
  },
  {
    name: 'mutual TLS with the account that is expected, and no other',
    documents: ({ secure }) =>
      service('mutual.test', only(secure), { policy: mutual('server') }) +
      service('other.test', only(secure), { policy: mutual('other') }),
    check: async ({ ask, code }) => {
      assert.equal(await ask({ to: 'mutual.test:7070' }), 'secure');
      assert.equal(await code({ to: 'other.test:7070', timeoutMs: 5_000 }), status.UNAVAILABLE);
    },
  },
  {
    name: 'TLS that no client can do is not left out: calls fail',
    documents: ({ v1 }) => service('tls.test', only(v1), { policy: '{tls: {mode: SIMPLE}}' }),
    check: async ({ code }) => assert.equal(await code({ to: 'tls.test:7070' }), status.UNAVAILABLE),
  },
  {
    name: 'all else that a policy may say',
    documents: (rig) =>
      service('policy.test', versions(rig), {
        policy:
          '{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s}}, connectionPool: {tcp: {maxConnections: 1, connectTimeout: 1s}, http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 1, maxRetries: 1, idleTimeout: 5s}}, outlierDetection: {consecutive5xxErrors: 1, interval: 1s}, proxyProtocol: {version: V2}, retryBudget: {percent: 20}}',
      }),
    check: (rig) => assertDivided(rig, 'policy.test', { v1: 50, v2: 50 }),
  },
];
