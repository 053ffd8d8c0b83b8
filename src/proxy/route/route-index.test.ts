import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { compileRegex } from '#core/regex.ts';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { RouteRequest } from './match.ts';
import { literalPrefixOf } from './route-index.ts';
import { compileRoutes, type RouteSurroundings } from './table.ts';

/** Numerical Recipes' generator of 32 bits. */
function drawing(seed: number): <T>(of: readonly T[]) => T {
  let state = seed;
  return (of) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return of[Math.floor((state / 2 ** 32) * of.length)]!;
  };
}

const request = (path: string, method: string, requestHeaders: readonly string[]): RouteRequest => ({
  method,
  path,
  authority: 'a',
  scheme: 'http',
  requestHeaders,
  isGrpc: false,
  peerPresented: false,
  peerValidated: false,
  metadata: undefined,
  randomValue: 50,
});

describe('an index of routes', () => {
  test('finds the route that asking each in order finds', (t) => {
    const seed = Number(process.env.HEDDLE_TEST_SEED ?? randomInt(2 ** 32));
    t.diagnostic(`seed ${seed}`);
    const draw = drawing(seed);
    // Few letters, so that texts are prefixes of others, and of paths.
    const text = (): string =>
      `/${Array.from({ length: draw([0, 1, 2, 3, 4]) }, () => draw(['a', 'A', 'b', '/', 'ab', 'é', '.'])).join('')}`;
    const pathMatch = (): Record<string, JsonValue> => {
      const own = text();
      switch (draw(['prefix', 'path', 'separated', 'regex', 'connect'])) {
        case 'path':
          return { path: own };
        case 'separated':
          return own.endsWith('/') ? { pathSeparatedPrefix: '/a' } : { pathSeparatedPrefix: own };
        case 'regex':
          return {
            safeRegex: { regex: `${own}${draw(['', '.*', '?', '+', '*', '[ab]+', '|/b', '{0,2}'])}` },
          };
        case 'connect':
          return draw([true, false]) ? { connectMatcher: {} } : { prefix: '' };
        default:
          return { prefix: own };
      }
    };
    for (let round = 0; round < 40; round++) {
      const routes = Array.from({ length: draw([3, 9, 30, 100]) }, (_, i) => ({
        name: `r${i}`,
        match: {
          ...pathMatch(),
          ...(draw([true, false, false]) && { caseSensitive: false }),
          ...(draw([true, false, false]) && {
            headers: [{ name: 'x', stringMatch: { exact: draw(['1', '2']) } }],
          }),
        },
        directResponse: { status: 200 },
      }));
      const compiled = compileRoutes(
        fromJson(RouteConfigurationSchema, {
          name: 'r',
          virtualHosts: [{ name: 'h', domains: ['*'], routes: routes as JsonValue }],
        }),
        { filters: [], deps: {} } as unknown as RouteSurroundings,
      );
      assert.ok(compiled.ok, JSON.stringify(compiled));
      const host = compiled.value.findHost({ authority: 'a', requestHeaders: [] })!;
      for (let i = 0; i < 100; i++) {
        const path = text();
        const asked = request(path, draw(['GET', 'GET', 'CONNECT']), draw([[], ['x', '1'], ['x', '2']]));
        const wanted = host.routes.find((route) => route.matches(asked, path));
        assert.equal(
          host.find(asked, path)?.name,
          wanted?.name,
          `${asked.method} ${path} of ${JSON.stringify(routes)}`,
        );
      }
    }
  });

  const cases: [regex: string, prefix: string, why: string][] = [
    ['/api/v[0-9]+', '/api/v', 'up to a class'],
    ['^/api/.*', '/api/', 'an anchor is no text'],
    ['/a\\.b', '/a.b', 'an escaped sign is that sign'],
    ['/a\\d', '/a', 'an escaped letter is a class'],
    ['/ab?', '/a', 'what may be missing is not of it'],
    ['/ab*', '/a', 'nor what may be repeated never'],
    ['/ab{0,1}', '/a', 'in any way'],
    ['/ab+c', '/ab', 'what is there once at least is'],
    ['/a|/b', '', 'a choice begins with nothing'],
    ['(?i)/a', '', 'nor what case does not count for'],
    ['/a(b|c)', '', 'a choice further on neither: it could be outermost'],
    ['\\Q/a.b\\E', '', 'quoted text is not read'],
    ['/a\\', '/a', 'a lone backslash ends it'],
    ['', '', 'of nothing'],
  ];
  for (const [regex, prefix, why] of cases) {
    test(`${JSON.stringify(regex)} begins with ${JSON.stringify(prefix)}: ${why}`, () =>
      assert.equal(literalPrefixOf(regex), prefix));
  }

  test('what a regular expression matches begins with its prefix', (t) => {
    const seed = Number(process.env.HEDDLE_TEST_SEED ?? randomInt(2 ** 32));
    t.diagnostic(`seed ${seed}`);
    const draw = drawing(seed);
    const some = (of: readonly string[]): string =>
      Array.from({ length: draw([0, 1, 2, 3, 4, 5]) }, () => draw(of)).join('');
    let matched = 0;
    for (let i = 0; i < 3000; i++) {
      const source = some([
        'a',
        'b',
        '\\.',
        '.',
        '?',
        '*',
        '+',
        '[ab]',
        '(a)',
        '{2}',
        '^',
        '$',
        '|',
        '\\b',
        '\\x61',
      ]);
      const compiled = compileRegex(source);
      if (!compiled.ok) continue;
      for (let j = 0; j < 20; j++) {
        const text = some(['a', 'b', '.']);
        if (!compiled.regex.matches(text)) continue;
        matched++;
        assert.ok(text.startsWith(literalPrefixOf(source)), `${source} matches ${text}`);
      }
    }
    assert.ok(matched > 100);
  });
});
