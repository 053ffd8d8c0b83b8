import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Service } from '#model/service.ts';
import { serviceAddresses } from './service-addresses.ts';

const services = (...specs: readonly (readonly [host: string, spec?: Partial<Service['spec']>])[]) =>
  new Map(
    specs.map(([host, spec]) => [host, { spec: { type: 'ClusterIP', ...spec } } as unknown as Service]),
  );

describe('serviceAddresses', () => {
  test('what the manifest says, and nothing for headless services and for names of something elsewhere', () => {
    const given = services(
      ['a', { clusterIP: '10.96.7.7' }],
      ['b', { clusterIP: 'fd00::7' }],
      ['c', { clusterIP: 'None' }],
      ['d', { type: 'ExternalName' }],
    );
    assert.deepEqual(
      [...serviceAddresses(given)],
      [
        ['a', '10.96.7.7'],
        ['b', 'fd00::7'],
      ],
    );
  });

  test('of our own, the same whatever else there is', () => {
    const [alone] = serviceAddresses(services(['reviews.default.svc.cluster.local'])).values();
    assert.match(alone!, /^10\.96\.\d+\.\d+$/);
    const among = serviceAddresses(services(['a'], ['b', {}], ['reviews.default.svc.cluster.local'], ['z']));
    assert.equal(among.get('reviews.default.svc.cluster.local'), alone);
  });

  test('no address twice, the well-known ones to nobody', () => {
    const many = services(...Array.from({ length: 20_000 }, (_, i) => [`s${i}`] as const));
    const found = [...serviceAddresses(many).values()];
    assert.equal(new Set(found).size, 20_000);
    assert.ok(
      !found.includes('10.96.0.1') && !found.includes('10.96.0.10') && !found.includes('10.96.255.255'),
    );
  });

  test('of two that come to the same one the first by name has it, in whatever order they come', () => {
    const names = Array.from({ length: 2_000 }, (_, i) => `s${i}`);
    const alone = (name: string): string => serviceAddresses(services([name])).get(name)!;
    const byAddress = Map.groupBy(names, alone);
    const two = [...byAddress.values()]
      .find(({ length }) => length > 1)!
      .slice(0, 2)
      .sort();
    for (const order of [two, two.toReversed()]) {
      const found = serviceAddresses(services(...order.map((name) => [name] as const)));
      assert.equal(found.get(two[0]!), alone(two[0]!));
      assert.notEqual(found.get(two[1]!), alone(two[1]!));
    }
  });

  test('one that a manifest has taken is given to nobody else', () => {
    const [mine] = serviceAddresses(services(['a'])).values();
    const both = serviceAddresses(services(['a'], ['b', { clusterIP: mine! }]));
    assert.equal(both.get('b'), mine);
    assert.notEqual(both.get('a'), mine);
  });
});
