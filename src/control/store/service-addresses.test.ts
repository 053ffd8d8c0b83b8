import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from '#model/load.ts';
import type { Service } from '#model/service.ts';
import { meshServices } from './mesh-service.ts';
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
        ['a', ['10.96.7.7']],
        ['b', ['fd00::7']],
      ],
    );
  });

  test('of our own, the same whatever else there is', () => {
    const [alone] = serviceAddresses(services(['reviews.default.svc.cluster.local'])).values();
    assert.match(alone![0]!, /^10\.96\.\d+\.\d+$/);
    const among = serviceAddresses(services(['a'], ['b', {}], ['reviews.default.svc.cluster.local'], ['z']));
    assert.deepEqual(among.get('reviews.default.svc.cluster.local'), alone);
  });

  test('no address twice, the well-known ones to nobody', () => {
    const many = services(...Array.from({ length: 20_000 }, (_, i) => [`s${i}`] as const));
    const found = [...serviceAddresses(many).values()].flat();
    assert.equal(new Set(found).size, 20_000);
    assert.ok(
      !found.includes('10.96.0.1') && !found.includes('10.96.0.10') && !found.includes('10.96.255.255'),
    );
  });

  test('of two that come to the same one the first by name has it, in whatever order they come', () => {
    const names = Array.from({ length: 2_000 }, (_, i) => `s${i}`);
    const alone = (name: string): string => serviceAddresses(services([name])).get(name)![0]!;
    const byAddress = Map.groupBy(names, alone);
    const two = [...byAddress.values()]
      .find(({ length }) => length > 1)!
      .slice(0, 2)
      .sort();
    for (const order of [two, two.toReversed()]) {
      const found = serviceAddresses(services(...order.map((name) => [name] as const)));
      assert.deepEqual(found.get(two[0]!), [alone(two[0]!)]);
      assert.notDeepEqual(found.get(two[1]!), [alone(two[1]!)]);
    }
  });

  test('one that a manifest has taken is given to nobody else', () => {
    const [mine] = serviceAddresses(services(['a'])).values();
    const both = serviceAddresses(services(['a'], ['b', { clusterIP: mine![0]! }]));
    assert.deepEqual(both.get('b'), mine);
    assert.notDeepEqual(both.get('a'), mine);
  });
});

describe('versions of IP', () => {
  const rows: [why: string, spec: Partial<Service['spec']>, pattern: RegExp][] = [
    ['IPv4 unless something says otherwise', {}, /^10\.96\.\d+\.\d+$/],
    ['both', { ipFamilyPolicy: 'PreferDualStack' }, /^10\.96\.\d+\.\d+ fd48:96::[0-9a-f]+$/],
    [
      'both, the other way round',
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] },
      /^fd48:96::[0-9a-f]+ 10\.96\.\d+\.\d+$/,
    ],
    ['IPv6', { ipFamilies: ['IPv6'] }, /^fd48:96::[0-9a-f]+$/],
    [
      'the other one to what is said',
      { clusterIP: 'fd00::7', ipFamilyPolicy: 'PreferDualStack' },
      /^fd00::7 10\.96\.\d+\.\d+$/,
    ],
    [
      'both as they are said',
      { clusterIP: '10.96.7.7', clusterIPs: ['10.96.7.7', 'fd00::7'], ipFamilyPolicy: 'PreferDualStack' },
      /^10\.96\.7\.7 fd00::7$/,
    ],
  ];
  for (const [why, spec, pattern] of rows) {
    test(why, () =>
      assert.match(
        serviceAddresses(services(['a', spec]))
          .get('a')!
          .join(' '),
        pattern,
      ),
    );
  }
});

describe('addresses of ServiceEntries', () => {
  const addressesOf = (...specs: readonly string[]): Record<string, readonly string[]> => {
    const text = specs.map(
      (spec, i) =>
        `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e${i}}\nspec: ${spec}\n---\n`,
    );
    const { resources, problems } = loadDocuments([{ file: 'x.yaml', text: text.join('') }]);
    assert.deepEqual(
      problems.filter(({ level }) => level === 'error'),
      [],
    );
    const entries = resources.filter((one) => one.kind === 'ServiceEntry');
    return Object.fromEntries(serviceAddresses(meshServices([], entries)));
  };
  const ports = 'ports: [{number: 80, name: http, protocol: HTTP}]';

  test('out of 240.240.0.0/16 and 2001:2::/48, the same whatever else there is, in whatever order', () => {
    const [a, b] = ['api.example.com', 'b.example.com'].map(
      (host) => `{hosts: [${host}], resolution: DNS, ${ports}}`,
    ) as [string, string];
    const alone = addressesOf(a)['api.example.com']!;
    assert.match(alone[0]!, /^240\.240\.\d+\.\d+$/);
    assert.match(alone[1]!, /^2001:2::[0-9a-f]+$/);
    assert.deepEqual(addressesOf(a, b)['api.example.com'], alone);
    assert.deepEqual(addressesOf(b, a), addressesOf(a, b));
  });

  const rows: [why: string, spec: string, addresses: readonly string[] | undefined][] = [
    [
      'what is written',
      `{hosts: [x.y], addresses: [10.1.1.1, "fd00::1"], ${ports}}`,
      ['10.1.1.1', 'fd00::1'],
    ],
    ['no range', `{hosts: [x.y], addresses: [10.1.0.0/16], ${ports}}`, undefined],
    ['none for a wildcard', `{hosts: ["*.x.y"], ${ports}}`, undefined],
    ['none where the application finds it', `{hosts: [x.y], resolution: NONE, ${ports}}`, undefined],
  ];
  for (const [why, spec, expected] of rows) {
    test(why, () => assert.deepEqual(Object.values(addressesOf(spec))[0], expected));
  }
});
