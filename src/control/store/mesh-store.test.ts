import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from '#model/load.ts';
import { MeshStore, type StoreChange } from './mesh-store.ts';

const service = (name: string, port = '9080'): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{name: http, port: ${port}}]}\n---\n`;
const strict = (mode: string): string =>
  `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\nspec: {mtls: {mode: ${mode}}}\n---\n`;

function storeWith(text: string): { store: MeshStore; write(text: string): void; changes: StoreChange[] } {
  const store = new MeshStore();
  const changes: StoreChange[] = [];
  const write = (now: string): void => {
    store.update('files', loadDocuments([{ file: 'x.yaml', text: now }]));
  };
  write(text);
  store.on('change', (change) => changes.push(change));
  return { store, write, changes };
}

const hosts = (store: MeshStore): string[] =>
  [...store.index.services.keys()].map((host) => host.split('.')[0] ?? '');
const portOf = (store: MeshStore, name: string): number | undefined =>
  store.index.services.get(`${name}.default.svc.cluster.local`)?.spec.ports[0]?.port;

const modeOf = (store: MeshStore): string | undefined => store.index.peerAuthentications[0]?.spec.mtls?.mode;

describe('the last good state', () => {
  test('an edit takes effect and says what changed', () => {
    const { store, write, changes } = storeWith(service('a') + service('b'));
    write(service('a', '80') + service('c'));
    assert.deepEqual(hosts(store), ['a', 'c']);
    assert.deepEqual(
      changes.map(({ keys }) => keys),
      [['Service default/a', 'Service default/c', 'Service default/b']],
    );
  });

  test('a broken document keeps its last good version, others go on', () => {
    const { store, write } = storeWith(service('a') + service('b'));
    write(service('a', 'many') + service('b', '80'));
    assert.deepEqual([portOf(store, 'a'), portOf(store, 'b')], [9080, 80]);
    assert.deepEqual(store.state('files').kept, ['Service default/a']);
    assert.equal(
      store.problems.some(({ level }) => level === 'error'),
      true,
    );
  });

  test('a slip in what guards keeps it, others go on', () => {
    const { store, write } = storeWith(service('a') + strict('STRICT'));
    write(service('b') + strict('STRIKT'));
    assert.deepEqual(hosts(store), ['b']);
    assert.equal(modeOf(store), 'STRICT');
    assert.deepEqual(store.state('files').kept, ['PeerAuthentication default/default']);
    assert.equal(store.state('files').held, false);
  });

  const holding: [why: string, text: string][] = [
    ['a slip in what guards and never did before', service('b') + strict('STRIKT')],
    [
      'a kind that closes and is not supported',
      `${service('b')}apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: x}\n`,
    ],
  ];
  for (const [why, text] of holding) {
    test(`${why} changes nothing at all`, () => {
      const { store, write } = storeWith(service('a'));
      write(text);
      assert.deepEqual(hosts(store), ['a']);
      assert.equal(store.state('files').held, true);
      write(service('b'));
      assert.deepEqual([hosts(store), store.state('files').held], [['b'], false]);
    });
  }

  test('what guards does not go away while something is broken', () => {
    const { store, write } = storeWith(service('a') + strict('STRICT'));
    write(service('a', 'many'));
    assert.equal(modeOf(store), 'STRICT');
    write(service('a'));
    assert.equal(modeOf(store), undefined);
  });

  test('a file that does not parse keeps what it had, other files go on', () => {
    const store = new MeshStore();
    const write = (one: string, two: string): void =>
      void store.update(
        'files',
        loadDocuments([
          { file: 'one.yaml', text: one },
          { file: 'two.yaml', text: two },
        ]),
      );
    write(`${service('a')}a: [\n`, service('z'));
    assert.deepEqual([hosts(store), store.state('files').held], [[], true]);
    write(service('a') + service('b'), service('z'));
    write(`${service('a', '80')}a: [\n`, service('y'));
    assert.deepEqual(hosts(store).sort(), ['a', 'b', 'y']);
    assert.deepEqual([portOf(store, 'a'), store.state('files').kept], [80, ['Service default/b']]);
    write(service('a'), service('y'));
    assert.deepEqual(hosts(store).sort(), ['a', 'y']);
  });

  test('of two of one name the one before stays', () => {
    const { store, write } = storeWith(service('a'));
    write(service('a', '80') + service('a', '81') + service('b'));
    assert.deepEqual([portOf(store, 'a'), hosts(store).sort()], [9080, ['a', 'b']]);
  });
});

describe('changes', () => {
  test('what says the same is no change', () => {
    const { store, write, changes } = storeWith(service('a'));
    const before = store.index;
    write(`# a comment\n${service('a')}`);
    assert.deepEqual(changes, []);
    assert.equal(store.index, before);
  });

  test('a new problem is a change without keys, and the same index', () => {
    const { store, write, changes } = storeWith(service('a'));
    const before = store.index;
    write(`${service('a')}apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\n`);
    assert.deepEqual(
      changes.map(({ keys, version }) => [keys.length, version]),
      [[0, 2]],
    );
    assert.equal(store.index, before);
  });

  test('sources do not touch each other', () => {
    const { store, write } = storeWith(service('a'));
    store.update('more', loadDocuments([{ file: 'y.yaml', text: service('a', '1') + service('z') }]));
    assert.deepEqual([hosts(store), portOf(store, 'a')], [['a', 'z'], 9080]);
    write('');
    assert.deepEqual([hosts(store), portOf(store, 'a')], [['a', 'z'], 1]);
  });
});
