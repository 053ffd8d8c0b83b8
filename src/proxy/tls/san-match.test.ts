import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StringMatcherShape } from '#core/matcher.ts';
import type { SubjectAltNames } from '#identity/certificate-details.ts';
import { compileSanMatch, matchAnyOf } from './san-match.ts';
import type { SanKind, SanRule } from './validation-rules.ts';

const names: SubjectAltNames = {
  uri: ['spiffe://cluster.local/ns/default/sa/web'],
  dns: ['*.example.com', 'Web.test'],
  ip: ['10.0.0.1', '2001:db8::1'],
  email: ['ops@example.com'],
  other: [{ oid: '1.2.3.4', value: 'user@corp' }],
};

type Pattern = Exclude<StringMatcherShape['matchPattern']['case'], undefined | 'safeRegex'>;

const rule = (kind: SanKind, pattern: Pattern, value: string, oid = ''): SanRule => ({
  kind,
  oid,
  matcher: { matchPattern: { case: pattern, value }, ignoreCase: false },
});

const rows: readonly (readonly [rule: SanRule, matches: boolean, why: string])[] = [
  [rule('uri', 'prefix', 'spiffe://cluster.local/ns/default/'), true, 'a URI by its beginning'],
  [rule('dns', 'prefix', 'spiffe://'), false, 'a URI is no DNS name'],
  [rule('dns', 'exact', 'a.example.com'), true, 'a wildcard covers one level'],
  [rule('dns', 'exact', 'A.Example.com'), true, 'the case of DNS names does not count'],
  [rule('dns', 'exact', 'a.b.example.com'), false, 'and not two'],
  [rule('dns', 'exact', 'example.com'), false, 'nor none'],
  [rule('dns', 'exact', 'web.TEST'), true, 'without a wildcard too'],
  [rule('dns', 'prefix', 'web'), false, 'the case counts where it is no whole name'],
  [rule('dns', 'suffix', 'example.com'), true, 'patterns see the name as it is written'],
  [rule('ip', 'exact', '2001:db8::1'), true, 'IPv6 in its short form'],
  [rule('ip', 'exact', '10.0.0.2'), false, 'another address'],
  [rule('email', 'suffix', '@example.com'), true, 'addresses of mail'],
  [rule('other', 'exact', 'user@corp', '1.2.3.4'), true, 'a name of that kind'],
  [rule('other', 'exact', 'user@corp', '1.2.3.5'), false, 'the same text of another kind'],
  [rule('any', 'exact', '10.0.0.1'), true, 'the old matchers look at addresses'],
  [rule('any', 'exact', 'ops@example.com'), false, 'and not at mail'],
];

for (const [one, matches, why] of rows) {
  test(`${one.kind} ${one.matcher.matchPattern.case} ${String(one.matcher.matchPattern.value)}: ${why}`, () => {
    assert.equal(compileSanMatch([one])?.(names), matches);
    const other = rule('uri', 'exact', 'spiffe://nobody');
    assert.equal(compileSanMatch([other, one])?.(names), matches, 'one of several is enough');
  });
}

test('without rules any name will do', () => assert.equal(compileSanMatch([]), undefined));

test('names asked for by one connection', () => {
  assert.equal(matchAnyOf(['nobody', 'x.example.com'])(names), true);
  assert.equal(matchAnyOf(['spiffe://cluster.local/ns/default/sa/web'])(names), true);
  assert.equal(matchAnyOf(['nobody'])(names), false);
  assert.equal(matchAnyOf([])(names), false);
});
