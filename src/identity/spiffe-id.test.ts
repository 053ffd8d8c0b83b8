import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isTrustDomain, parseSpiffeId, serviceAccountOf, workloadId } from './spiffe-id.ts';

describe('parseSpiffeId', () => {
  const cases: [uri: string, valid: boolean, why: string][] = [
    ['spiffe://cluster.local/ns/default/sa/reviews', true, "Istio's form"],
    ['spiffe://cluster.local', true, 'the trust domain itself'],
    ['spiffe://a_b-c.9/x', true, 'every letter a trust domain may have'],
    ['spiffe://cluster.local/', false, 'an empty segment'],
    ['spiffe://cluster.local/ns//sa/x', false, 'an empty segment inside'],
    ['spiffe://cluster.local/ns/../sa', false, 'a step up'],
    ['spiffe://cluster.local/.', false, 'a step nowhere'],
    ['spiffe://Cluster.local/x', false, 'a capital in the trust domain'],
    ['SPIFFE://cluster.local/x', false, 'a capital in the scheme'],
    ['spiffe://cluster.local:8080/x', false, 'a port'],
    ['spiffe://user@cluster.local/x', false, 'a user'],
    ['spiffe://cluster.local/x?y', false, 'a query'],
    ['spiffe://cluster.local/x#y', false, 'a fragment'],
    ['spiffe://cluster.local/%78', false, 'an escape'],
    ['spiffe:///ns/x', false, 'no trust domain'],
    ['https://cluster.local/x', false, 'another scheme'],
    [`spiffe://cluster.local/${'x'.repeat(2048)}`, false, 'too long'],
    [`spiffe://${'x'.repeat(256)}/x`, false, 'a trust domain too long'],
    ['spiffe://cluster.local/x\n', false, 'a line break'],
  ];
  for (const [uri, valid, why] of cases) {
    test(`${valid ? 'takes' : 'refuses'} ${why}`, () => {
      assert.equal(parseSpiffeId(uri) !== undefined, valid, uri);
    });
  }

  test('gives the parts', () => {
    assert.deepEqual(parseSpiffeId('spiffe://cluster.local/ns/default/sa/reviews'), {
      uri: 'spiffe://cluster.local/ns/default/sa/reviews',
      trustDomain: 'cluster.local',
      path: '/ns/default/sa/reviews',
    });
  });
});

test('workloadId and serviceAccountOf are each the other way round', () => {
  const account = { namespace: 'default', serviceAccount: 'reviews' };
  assert.deepEqual(serviceAccountOf(workloadId('cluster.local', account)), account);
});

test('workloadId makes no id of names that would change its form', () => {
  for (const namespace of ['a/b', '..', '', 'a b']) {
    assert.throws(() => workloadId('cluster.local', { namespace, serviceAccount: 'x' }), /no SPIFFE id/);
  }
});

test('serviceAccountOf knows one form only', () => {
  for (const path of ['', '/ns/a', '/ns/a/sa/b/c', '/sa/a/ns/b', '/x/a/y/b']) {
    const id = parseSpiffeId(`spiffe://cluster.local${path}`);
    assert.ok(id !== undefined);
    assert.equal(serviceAccountOf(id), undefined, path);
  }
});

test('isTrustDomain', () => {
  assert.ok(isTrustDomain('cluster.local'));
  assert.ok(!isTrustDomain(''));
  assert.ok(!isTrustDomain('a/b'));
});
