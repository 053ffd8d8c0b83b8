import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type Discovered, Extensions } from '../discovered.ts';
import type { GateSettings } from './connection-gate.ts';
import { FollowedFilters } from './followed-filters.ts';
import type { FilterPart } from './network-filters.ts';

const gate = (): GateSettings => ({ create: () => assert.fail('nothing is made here') });
const config = (): Any => create(AnySchema, {});

/** Another gate for each configuration. */
const named = (key: string): Discovered<FilterPart | undefined> =>
  ({
    wanted: { key },
    fallback: undefined,
    load: () => ({ ok: true, value: { gate: gate() }, problems: [] }),
  }) as unknown as Discovered<FilterPart | undefined>;

test('a filter without its configuration leaves the chain without any', () => {
  const extensions = new Extensions();
  const followed = new FollowedFilters([named('a'), { gate: gate() }, named('b')], extensions);
  const gates = (): number | undefined => followed.current?.gates.length;
  assert.equal(gates(), undefined);
  extensions.set('a', config());
  assert.equal(gates(), undefined);
  extensions.set('b', config());
  assert.equal(gates(), 3);
  extensions.set('a', undefined);
  assert.equal(gates(), undefined);
});

test('those of the chain are the same until one of them changes', () => {
  const extensions = new Extensions();
  const own = gate();
  const followed = new FollowedFilters([named('a'), { gate: own }], extensions);
  extensions.set('a', config());
  const before = followed.current;
  extensions.set('other', config());
  assert.equal(followed.current, before);
  extensions.set('a', config());
  assert.notEqual(followed.current, before);
  assert.notEqual(followed.current?.gates[0], before?.gates[0]);
  assert.equal(followed.current?.gates[1], own);
});
