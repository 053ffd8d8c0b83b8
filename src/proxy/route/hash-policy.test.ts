import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { xxhash64 } from '#core/xxhash64.ts';
import { RouteAction_HashPolicySchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { Findings } from '../findings.ts';
import { compileHashPolicy, type HashSource } from './hash-policy.ts';

type Init = MessageInitShape<typeof RouteAction_HashPolicySchema>;
type Source = Partial<HashSource>;

const header = (headerName: string, terminal = false): Init => ({
  policySpecifier: { case: 'header', value: { headerName } },
  terminal,
});

const of = (text: string): bigint => xxhash64(Buffer.from(text, 'latin1'));
const mask = (1n << 64n) - 1n;
const combined = (first: bigint, second: bigint): bigint =>
  (((first << 1n) & mask) | (first >> 63n)) ^ second;

function hashOf(policies: readonly Init[], source: Source, cookies: string[] = []): bigint | undefined {
  const findings = new Findings();
  const messages = policies.map((policy) => create(RouteAction_HashPolicySchema, policy));
  const hash = compileHashPolicy(messages, 'hash_policy', findings);
  assert.deepEqual(findings.problems, []);
  const into = { hi: 0, lo: 0 };
  const whole: HashSource = {
    requestHeaders: [],
    method: 'GET',
    path: '/',
    authority: 'test.example',
    scheme: 'http',
    clientIp: '',
    remoteAddress: '10.0.0.1:5000',
    localAddress: '10.0.0.2:80',
    filterState: () => undefined,
    setCookie: (value) => void cookies.push(value),
    ...source,
  };
  return hash!(whole, into) ? (BigInt(into.hi) << 32n) | BigInt(into.lo) : undefined;
}

interface Row {
  readonly why: string;
  readonly policies: readonly Init[];
  readonly source: Source;
  readonly hash: bigint | undefined;
}

const rows: readonly Row[] = [
  {
    why: 'a header',
    policies: [header('X-Key')],
    source: { requestHeaders: ['x-key', 'abc'] },
    hash: of('abc'),
  },
  { why: 'no such header', policies: [header('x-key')], source: {}, hash: undefined },
  {
    why: 'a header twice: in order of the values, each seeds the next',
    policies: [header('x-key')],
    source: { requestHeaders: ['x-key', 'b', 'x-other', 'c', 'x-key', 'a'] },
    hash: xxhash64(Buffer.from('b'), of('a')),
  },
  {
    why: 'a header, rewritten',
    policies: [
      {
        policySpecifier: {
          case: 'header',
          value: {
            headerName: ':path',
            regexRewrite: { pattern: { regex: '^/(\\w+)/.*' }, substitution: '\\1' },
          },
        },
      },
    ],
    source: { path: '/shop/cart' },
    hash: of('shop'),
  },
  {
    why: 'two headers: the first is rotated',
    policies: [header('a'), header('b')],
    source: { requestHeaders: ['a', 'one', 'b', 'two'] },
    hash: combined(of('one'), of('two')),
  },
  {
    why: 'a terminal policy that found something ends it',
    policies: [header('a', true), header('b')],
    source: { requestHeaders: ['a', 'one', 'b', 'two'] },
    hash: of('one'),
  },
  {
    why: 'a terminal policy that found nothing does not',
    policies: [header('a', true), header('b')],
    source: { requestHeaders: ['b', 'two'] },
    hash: of('two'),
  },
  {
    why: 'the address of the client',
    policies: [{ policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } }],
    source: { clientIp: '2001:db8::1' },
    hash: of('2001:db8::1'),
  },
  {
    why: 'no address',
    policies: [{ policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } }],
    source: {},
    hash: undefined,
  },
  {
    why: 'the first of a parameter of the query, as it stands',
    policies: [{ policySpecifier: { case: 'queryParameter', value: { name: 'user' } } }],
    source: { path: '/?x=1&user=a%20b&user=c' },
    hash: of('a%20b'),
  },
  {
    why: 'a cookie, without its quotes',
    policies: [{ policySpecifier: { case: 'cookie', value: { name: 'session' } } }],
    source: { requestHeaders: ['cookie', 'a=1; session="xyz"'] },
    hash: of('xyz'),
  },
  {
    why: 'no cookie and no lifetime',
    policies: [{ policySpecifier: { case: 'cookie', value: { name: 'session' } } }],
    source: {},
    hash: undefined,
  },
  {
    why: 'filter state',
    policies: [{ policySpecifier: { case: 'filterState', value: { key: 'tenant' } } }],
    source: { filterState: (key) => (key === 'tenant' ? 'blue' : undefined) },
    hash: of('blue'),
  },
];

for (const { why, policies, source, hash } of rows) {
  test(why, () => assert.equal(hashOf(policies, source), hash));
}

test('a cookie with a lifetime is made where it is absent, of the ends of the connection', () => {
  const cookies: string[] = [];
  const attributes = [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }];
  const cookie = { name: 'session', ttl: { seconds: 60n }, path: '/shop', attributes };
  const hash = hashOf([{ policySpecifier: { case: 'cookie', value: cookie } }], {}, cookies);
  const made = of('10.0.0.1:500010.0.0.2:80').toString(16).padStart(16, '0');
  assert.equal(hash, of(made));
  assert.deepEqual(cookies, [`session="${made}"; Max-Age=60; Path=/shop; SameSite=Strict; Secure; HttpOnly`]);
});

test('what names nothing is refused with its place', () => {
  const findings = new Findings();
  compileHashPolicy(
    [{}, header('')].map((policy) => create(RouteAction_HashPolicySchema, policy)),
    'hash_policy',
    findings,
  );
  assert.deepEqual(
    findings.problems.map(({ path }) => path),
    ['hash_policy[0]', 'hash_policy[1].header.header_name'],
  );
});
