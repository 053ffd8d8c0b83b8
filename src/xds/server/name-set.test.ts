import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NameSet } from './name-set.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), name }),
  fc.record({ do: fc.constant('delete' as const), name }),
  fc.record({ do: fc.constant('share' as const), names: fc.array(name) }),
  fc.record({ do: fc.constant('clear' as const) }),
);

describe('a set of names', () => {
  test('holds what a set does, whatever it shares', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const [names, plain] = [new NameSet(), new Set<string>()];
        for (const one of steps) {
          if (one.do === 'share') names.share(one.names);
          else if (one.do === 'clear') for (const set of [names, plain]) set.clear();
          else for (const set of [names, plain]) set[one.do](one.name);
          assert.equal(names.size, plain.size);
          assert.deepEqual([...names].sort(), [...plain].sort());
          for (const asked of 'abcde') assert.equal(names.has(asked), plain.has(asked));
        }
      }),
    );
  });
});
