/** Files are followed as people and editors change them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { followMesh } from '#control/source/mesh-source.ts';
import { MeshStore } from '#control/store/mesh-store.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';

const service = (name: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{name: http, port: 80}]}\n`;

async function follow(t: TestContext): Promise<{ folder: string; store: MeshStore; states: string[] }> {
  const folder = tempDir(t);
  writeFileSync(path.join(folder, 'a.yaml'), service('a'));
  writeFileSync(path.join(folder, 'notes.txt'), 'not for us: [');
  const store = new MeshStore();
  const states: string[] = [];
  store.on('change', ({ keys }) => {
    if (keys.length > 0) states.push(names(store));
  });
  const watch = await followMesh(store, { paths: [folder], podsFolder: path.join(folder, 'pods') });
  t.after(() => watch.close());
  return { folder, store, states };
}

function names(store: MeshStore): string {
  return [...store.index.services.values()].map(({ metadata }) => metadata.name).join(' ');
}

describe('a followed folder', () => {
  const edits: [why: string, edit: (folder: string) => void, after: string][] = [
    ['written over', (folder) => writeFileSync(path.join(folder, 'a.yaml'), service('b')), 'b'],
    ['a second file', (folder) => writeFileSync(path.join(folder, 'b.yml'), service('b')), 'a b'],
    [
      'renamed over, as editors save',
      (folder) => {
        writeFileSync(path.join(folder, '.a.yaml.swp'), service('b'));
        renameSync(path.join(folder, '.a.yaml.swp'), path.join(folder, 'a.yaml'));
      },
      'b',
    ],
    [
      'taken away and written again',
      (folder) => {
        rmSync(path.join(folder, 'a.yaml'));
        writeFileSync(path.join(folder, 'a.yaml'), service('b'));
      },
      'b',
    ],
    ['removed', (folder) => rmSync(path.join(folder, 'a.yaml')), ''],
  ];
  for (const [why, edit, after] of edits) {
    test(why, async (t) => {
      const { folder, store, states } = await follow(t);
      edit(folder);
      await eventually(() => assert.equal(names(store), after));
      assert.deepEqual(states, ['a', after]);
    });
  }

  test('a file that is empty for a moment takes nothing away', async (t) => {
    const { folder, store, states } = await follow(t);
    const file = path.join(folder, 'a.yaml');
    const seen = watch(folder);
    t.after(() => seen.close());
    writeFileSync(file, '');
    await once(seen, 'change');
    appendFileSync(file, service('b'));
    await eventually(() => assert.equal(names(store), 'b'));
    assert.deepEqual(states, ['a', 'b']);
  });

  test('a folder that comes later is found', async (t) => {
    const { folder, store } = await follow(t);
    // Until then it is a problem, and holds back only its own source.
    assert.match(store.problems.map(({ message }) => message).join(), /cannot read .*pods/);
    const pods = path.join(folder, 'pods');
    mkdirSync(pods);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a-0' },
      spec: { containers: [{ name: 'a', image: 'a' }] },
    };
    writeFileSync(path.join(pods, 'a-0.json'), JSON.stringify(pod));
    await eventually(() => assert.equal(store.index.pods.length, 1));
    assert.deepEqual(store.problems, []);
  });
});
