/** The examples are read without a word of complaint, and every command they name is there. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { loadDocuments } from '#model/load.ts';

const root = join(import.meta.dirname, '../..');
const folders = ['bookstore', 'polyglot', 'bookinfo', 'resilience', 'scoping'];

for (const folder of folders) {
  describe(`examples/${folder}`, () => {
    const files = globSync(`examples/${folder}/*.yaml`, { cwd: root }).sort();
    const loaded = loadDocuments(
      files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') })),
    );

    test('loads without errors and warnings', () => {
      assert.ok(files.length > 0);
      assert.deepEqual(
        loaded.problems.filter(({ level }) => level !== 'info'),
        [],
      );
    });

    test('names files that are there, and a command for every image', () => {
      const commands = new Map<string, readonly string[]>();
      for (const resource of loaded.resources) {
        if (resource.kind !== 'LocalMesh') continue;
        for (const [image, { command }] of Object.entries(resource.images)) commands.set(image, command);
      }
      assert.ok(commands.size > 0);
      for (const [image, command] of commands) {
        for (const word of command.filter((text) => /\.\w+$/.test(text))) {
          const file = join(root, dirname(files[0] ?? ''), word);
          assert.ok(existsSync(file), `${image}: there is no ${file}`);
        }
      }
      for (const resource of loaded.resources) {
        if (resource.kind !== 'Deployment') continue;
        for (const { image } of resource.spec.template.spec.containers) assert.ok(commands.has(image), image);
      }
    });
  });
}
