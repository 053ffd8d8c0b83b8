/** What weights mean: shares of all requests or, where something keeps users apart, shares of users. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { meshOf, short, type Written } from '../support/routing-case.ts';
import type { Asked } from '../support/simulated-mesh.ts';

const split = (weights: string, annotations?: string): Written => ({
  ...(annotations !== undefined && { annotations }),
  spec: `http: [{route: [${weights}]}]`,
});
const version = (name: string, weight: number): string =>
  `{destination: {host: reviews, subset: ${name}}, weight: ${weight}}`;

/** How many of so many requests went where. */
function tally(
  written: Written,
  count: number,
  asked: (i: number) => Partial<Asked>,
): Record<string, number> {
  const mesh = meshOf([written]);
  const found: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const goes = short(mesh.ask({ url: 'http://reviews:9080/', ...asked(i) }));
    found[goes] = (found[goes] ?? 0) + 1;
  }
  return found;
}

describe('weights', () => {
  const rows: [why: string, weights: string, of: number, shares: Record<string, number>][] = [
    ['of a hundred', [version('v1', 90), version('v2', 10)].join(), 100, { '@v1': 90, '@v2': 10 }],
    [
      'of whatever they sum up to',
      [version('v1', 1), version('v2', 2)].join(),
      300,
      { '@v1': 100, '@v2': 200 },
    ],
    ['of thousands', [version('v1', 9999), version('v2', 1)].join(), 10_000, { '@v1': 9999, '@v2': 1 }],
    ['none for 0', [version('v1', 0), version('v2', 3), version('v3', 1)].join(), 4, { '@v2': 3, '@v3': 1 }],
    ['all for the only one that has any', [version('v1', 0), version('v2', 1)].join(), 5, { '@v2': 5 }],
    ['a single destination has everything, whatever its weight', version('v1', 0), 5, { '@v1': 5 }],
    ['a single destination without a weight', '@v1', 5, { '@v1': 5 }],
  ];
  for (const [why, weights, of, shares] of rows) {
    test(why, () =>
      assert.deepEqual(
        tally(split(weights), of, (lot) => ({ lot })),
        shares,
      ),
    );
  }
});

describe('sticky weights', () => {
  const canary = [version('v1', 80), version('v2', 20)].join();
  const users: [by: string, asked: (user: string) => Partial<Asked>][] = [
    ['header:X-User', (user) => ({ headers: { 'x-user': user } })],
    ['cookie:session', (user) => ({ headers: { cookie: `a=b; session=${user}` } })],
    ['query:user', (user) => ({ url: `http://reviews:9080/?user=${user}` })],
  ];
  for (const [by, asked] of users) {
    const written = split(canary, `{heddle.dev/sticky-weights: "${by}"}`);

    test(`${by}: a user stays where the user is`, () => {
      for (const user of ['ann', 'bob', 'eve', 'joe', 'kim'])
        assert.equal(Object.keys(tally(written, 50, (lot) => ({ ...asked(user), lot }))).length, 1);
    });

    test(`${by}: users are shared out by weight`, () => {
      const { '@v2': second = 0 } = tally(written, 2000, (i) => ({ ...asked(`user-${i}`), lot: 0 }));
      assert.ok(second > 320 && second < 480, `${second} of 2000`);
    });

    test(`${by}: a greater share takes nobody back`, () => {
      const more = split(
        [version('v1', 50), version('v2', 50)].join(),
        `{heddle.dev/sticky-weights: "${by}"}`,
      );
      const [small, great] = [meshOf([written]), meshOf([more])];
      for (let i = 0; i < 200; i++) {
        const one = { url: 'http://reviews:9080/', ...asked(`user-${i}`) };
        if (small.ask(one).includes('|v2|')) assert.match(small.ask(one), /\|v2\|/);
        if (small.ask(one).includes('|v2|')) assert.match(great.ask(one), /\|v2\|/);
      }
    });
  }

  test('whoever says nothing is drawn by lot', () => {
    const written = split(canary, '{heddle.dev/sticky-weights: "header:x-user"}');
    assert.deepEqual(
      tally(written, 100, (lot) => ({ lot })),
      { '@v1': 80, '@v2': 20 },
    );
  });

  test('source-ip: a caller stays', () => {
    const written = split(canary, '{heddle.dev/sticky-weights: source-ip}');
    assert.equal(Object.keys(tally(written, 50, (lot) => ({ lot }))).length, 1);
  });

  test('off: by lot', () => {
    const written = split(canary, '{heddle.dev/sticky-weights: "off"}');
    assert.equal(tally(written, 100, (lot) => ({ lot, headers: { 'x-user': 'ann' } }))['@v2'], 20);
  });
});
