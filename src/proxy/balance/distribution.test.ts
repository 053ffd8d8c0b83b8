/** What statistics say of the policies: keys that move when an endpoint leaves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import type { PolicyDefinition } from './contract.ts';
import { maglev, ringHash } from './hashing.ts';
import { defaultRingOptions } from './ring-hash.ts';
import { candidate, settings } from './suite.ts';

const KEYS = 20_000;
const SEED = 20_260_101;

/** Points of the ring, for each endpoint. */
const POINTS = 256;
/** Of all keys: those of others that move as well. A ring moves none; Maglev a few, for a table that is even. */
const OTHERS = { ring_hash: 0, maglev: 0.05 };

for (const kind of ['ring_hash', 'maglev'] as const) {
  const of = (count: number): PolicyDefinition =>
    kind === 'maglev' ? maglev() : ringHash({ ...defaultRingOptions, minimumSize: POINTS * count });

  for (const count of [2, 5, 20]) {
    test(`${kind}: one of ${count} endpoints leaves, and few keys but its own move`, () => {
      const random = seededRandom(SEED);
      const endpoints = Array.from({ length: count }, (_, i) => candidate(`10.0.0.${i}:80`));
      const gone = endpoints[random.below(count)]!;
      const rest = endpoints.filter((endpoint) => endpoint !== gone);
      const before = of(count).build(
        endpoints,
        endpoints.map(() => 1 / count),
        settings(),
      );
      const after = of(count - 1).build(
        rest,
        rest.map(() => 1 / rest.length),
        settings(),
      );
      let own = 0;
      let others = 0;
      for (let i = 0; i < KEYS; i++) {
        const hash = { hi: random.below(2 ** 32), lo: random.below(2 ** 32) };
        const first = before.pick(hash)!;
        const second = after.pick(hash)!;
        if (first === gone) own++;
        else if (second !== first) others++;
      }
      // Its own share, as far as the table divides evenly.
      assert.ok(own / KEYS < 1.35 / count, `${own} keys of the endpoint that leaves, seed ${SEED}`);
      assert.ok(others / KEYS <= OTHERS[kind], `${others} keys of others, seed ${SEED}`);
    });
  }
}
