import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import { Metrics } from '#observe/metrics.ts';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { BucketMemory } from '../filter/bucket-memory.ts';
import type { RouteRequest } from './match.ts';
import { compileRoutes, type RouteTable } from './table.ts';

const noFilters = {
  filters: [],
  deps: {
    metrics: new Metrics(),
    clock: fakeClock(),
    random: seededRandom(1),
    buckets: new BucketMemory(() => new ArrayBuffer(0), 0),
    readFile: () => new Uint8Array(),
    environment: () => undefined,
  },
};

function table(virtualHosts: JsonValue, more: Record<string, JsonValue> = {}): RouteTable {
  const compiled = compileRoutes(
    fromJson(RouteConfigurationSchema, { name: 'r', virtualHosts, ...more }),
    noFilters,
  );
  assert.ok(compiled.ok, JSON.stringify(compiled.problems));
  return compiled.value;
}

const request = (path: string, more: Partial<RouteRequest> = {}): RouteRequest => ({
  method: 'GET',
  path,
  authority: 'a.example',
  scheme: 'http',
  requestHeaders: [],
  isGrpc: false,
  peerPresented: false,
  peerValidated: false,
  metadata: undefined,
  randomValue: 50,
  ...more,
});

const to = (authority: string) => ({ authority, requestHeaders: [] });

/** Nothing that is compared here reads it. */
const emptyRecord = {} as AccessRecord;

describe('virtual hosts', () => {
  const hosts = table(
    ['a.example', '*.example', '*.long.example', 'a.*', 'a.b.*', '*'].map((domain) => ({
      name: domain,
      domains: [domain],
    })),
  );
  const cases: [authority: string, host: string, why: string][] = [
    ['a.example', 'a.example', 'exact'],
    ['A.Example', 'a.example', 'case does not count'],
    ['b.example', '*.example', 'suffix'],
    ['x.long.example', '*.long.example', 'the longest suffix'],
    ['a.org', 'a.*', 'prefix'],
    ['a.b.org', 'a.b.*', 'the longest prefix'],
    ['.example', '*', 'a wildcard stands for something'],
    ['a.example:80', 'a.*', 'the port is part of the host'],
    ['other', '*', 'any'],
  ];
  for (const [authority, host, why] of cases) {
    test(`${authority} is of ${host}: ${why}`, () => assert.equal(hosts.findHost(to(authority))?.name, host));
  }

  test('ports are left out where asked', () => {
    const found = table([{ name: 'x', domains: ['a'] }], { ignorePortInHostMatching: true });
    assert.equal(found.findHost(to('a:81'))?.name, 'x');
    assert.equal(found.findHost(to('[::1]:81')), undefined);
  });
});

describe('matching', () => {
  const cases: [match: Record<string, JsonValue>, with_: RouteRequest, matches: boolean, why: string][] = [
    [{ prefix: '/a' }, request('/ab'), true, 'prefix'],
    [{ prefix: '/A', caseSensitive: false }, request('/ab'), true, 'prefix without case'],
    [{ path: '/a' }, request('/a?x=/b#y'), true, 'path without query'],
    [{ path: '/a' }, request('/a/'), false, 'path with more'],
    [{ pathSeparatedPrefix: '/a' }, request('/a/b'), true, 'whole segments'],
    [{ pathSeparatedPrefix: '/a' }, request('/a?q'), true, 'the whole path'],
    [{ pathSeparatedPrefix: '/a' }, request('/ab'), false, 'half a segment'],
    [{ safeRegex: { regex: '/[a-c]+' } }, request('/abc?z'), true, 'regex on the path alone'],
    [{ safeRegex: { regex: '/a' } }, request('/ab'), false, 'regex on the whole path'],
    [{ connectMatcher: {} }, request('', { method: 'CONNECT' }), true, 'CONNECT'],
    [{ prefix: '/' }, request('', { method: 'CONNECT' }), false, 'a path does not match CONNECT'],
    [{ prefix: '/', headers: [{ name: 'x', presentMatch: true }] }, request('/'), false, 'missing header'],
    [
      { prefix: '/', headers: [{ name: 'x', stringMatch: { exact: '2' } }] },
      request('/', { requestHeaders: ['x', '1', 'x', '2'] }),
      true,
      'one of several values',
    ],
    [
      { prefix: '/', headers: [{ name: 'x', stringMatch: { exact: '1,2' } }] },
      request('/', { requestHeaders: ['x', '1', 'x', '2'] }),
      false,
      'values are not joined',
    ],
    [
      { prefix: '/', headers: [{ name: 'x', stringMatch: { exact: '1' }, invertMatch: true }] },
      request('/'),
      false,
      'inverted, missing',
    ],
    [
      { prefix: '/', headers: [{ name: 'x', rangeMatch: { start: '1', end: '3' } }] },
      request('/', { requestHeaders: ['x', '3'] }),
      false,
      'the end is not in the range',
    ],
    [
      { prefix: '/', headers: [{ name: ':method', stringMatch: { exact: 'GET' } }] },
      request('/'),
      true,
      'pseudo header',
    ],
    [
      { prefix: '/', headers: [{ name: 'x', stringMatch: { exact: '' }, treatMissingHeaderAsEmpty: true }] },
      request('/'),
      true,
      'missing as empty',
    ],
    [
      { prefix: '/', queryParameters: [{ name: 'q', stringMatch: { prefix: 'v' } }] },
      request('/?p=1&q=value'),
      true,
      'query',
    ],
    [
      { prefix: '/', queryParameters: [{ name: 'q', presentMatch: false }] },
      request('/?q'),
      false,
      'query that must not be',
    ],
    [
      { prefix: '/', cookies: [{ name: 'c', stringMatch: { exact: 'v' } }] },
      request('/', { requestHeaders: ['cookie', 'a=b; c=v'] }),
      true,
      'cookie',
    ],
    [{ prefix: '/', grpc: {} }, request('/'), false, 'gRPC only'],
    [
      { prefix: '/', runtimeFraction: { defaultValue: { numerator: 40 } } },
      request('/'),
      false,
      'a fraction below the draw',
    ],
    [
      { prefix: '/', runtimeFraction: { defaultValue: { numerator: 60 } } },
      request('/'),
      true,
      'a fraction above the draw',
    ],
    [{ prefix: '/', tlsContext: { validated: true } }, request('/'), false, 'verified clients only'],
  ];
  for (const [match, from, matches, why] of cases) {
    test(`${why}: ${matches}`, () => {
      const found = table([
        {
          name: 'h',
          domains: ['*'],
          routes: [{ match, route: { cluster: 'c' } } as JsonValue].map((route) => {
            if ('connectMatcher' in match)
              (route as { route: object }).route = {
                cluster: 'c',
                upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }],
              };
            return route;
          }),
        },
      ]).find(from);
      assert.equal(found !== undefined, matches);
    });
  }
});

describe('rewriting and redirecting', () => {
  const forward = (match: JsonValue, route: Record<string, JsonValue>, path: string): string | undefined => {
    const found = table([
      { name: 'h', domains: ['*'], routes: [{ match, route: { cluster: 'c', ...route } }] },
    ]).find(request(path));
    assert.equal(found?.action.kind, 'forward');
    return found.action.kind === 'forward' ? found.action.rewritePath?.(path, emptyRecord) : undefined;
  };
  test('a prefix', () =>
    assert.equal(forward({ prefix: '/a' }, { prefixRewrite: '/x' }, '/a/b?c'), '/x/b?c'));
  test('an exact path keeps its query', () =>
    assert.equal(forward({ path: '/a' }, { prefixRewrite: '/x' }, '/a?c'), '/x?c'));
  test('a regular expression leaves the query alone', () => {
    const regexRewrite = { pattern: { regex: '^/a/(.*)$' }, substitution: '/\\1' };
    assert.equal(forward({ prefix: '/a' }, { regexRewrite }, '/a/b?/a/c'), '/b?/a/c');
  });

  const redirects: [redirect: Record<string, JsonValue>, authority: string, location: string][] = [
    [{ httpsRedirect: true }, 'h:80', 'https://h/p?q'],
    [{ httpsRedirect: true }, 'h:8080', 'https://h:8080/p?q'],
    [{ hostRedirect: 'n', portRedirect: 81 }, 'h', 'http://n:81/p?q'],
    [{ pathRedirect: '/n' }, 'h', 'http://h/n?q'],
    [{ pathRedirect: '/n?own' }, 'h', 'http://h/n?own'],
    [{ prefixRewrite: '/n', stripQuery: true }, 'h', 'http://h/n'],
  ];
  for (const [redirect, authority, location] of redirects) {
    test(`${JSON.stringify(redirect)} of ${authority}`, () => {
      const found = table([{ name: 'h', domains: ['*'], routes: [{ match: { prefix: '/p' }, redirect }] }]);
      const { action } = found.find(request('/p?q', { authority }))!;
      assert.ok(action.kind === 'redirect');
      assert.equal(action.location({ ...emptyRecord, ...request('/p?q', { authority }) }, false), location);
    });
  }
});

describe('problems have a path', () => {
  const cases: [host: Record<string, JsonValue>, path: string][] = [
    [{ domains: ['a', 'a'] }, 'virtual_hosts[0].domains[1]'],
    [{ domains: [] }, 'virtual_hosts[0].domains'],
    [{ domains: ['*'], routes: [{ route: { cluster: 'c' } }] }, 'virtual_hosts[0].routes[0].match'],
    [{ domains: ['*'], routes: [{ match: { prefix: '/' } }] }, 'virtual_hosts[0].routes[0]'],
    [
      { domains: ['*'], routes: [{ match: { safeRegex: { regex: '(' } }, route: { cluster: 'c' } }] },
      'virtual_hosts[0].routes[0].match.safe_regex.regex',
    ],
    [
      {
        domains: ['*'],
        routes: [{ match: { prefix: '/' }, route: { weightedClusters: { clusters: [{ name: 'c' }] } } }],
      },
      'virtual_hosts[0].routes[0].route.weighted_clusters.clusters',
    ],
    [
      { domains: ['*'], requestHeadersToAdd: [{ header: { key: 'x', value: '%NONE_SUCH%' } }] },
      'virtual_hosts[0].request_headers_to_add[0].header.value',
    ],
    [{ domains: ['*'], requestHeadersToRemove: ['host'] }, 'virtual_hosts[0].request_headers_to_remove[0]'],
  ];
  for (const [host, path] of cases) {
    test(path, () => {
      const compiled = compileRoutes(
        fromJson(RouteConfigurationSchema, {
          name: 'r',
          virtualHosts: [{ name: 'h', ...host }],
        } as JsonValue),
        noFilters,
      );
      assert.equal(compiled.ok, false);
      assert.deepEqual(
        compiled.problems.map((problem) => problem.path),
        [path],
      );
    });
  }
});
