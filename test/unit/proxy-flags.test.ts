/** A proxy is started alike by `bin/heddle`, by the runner, and by the build that caches its code. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { proxyEnvironment } from '#host/self.ts';

const root = join(import.meta.dirname, '../..');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const proxyFlags = [...textOf('scripts/proxy-flags.mjs').matchAll(/'(--[^']+)'/g)].map(([, flag]) => flag!);

test('bin/heddle gives a proxy the flags and the environment of the others', () => {
  const launcher = textOf('bin/heddle').replace(/ \\\n +/g, ' ');
  assert.match(
    launcher,
    new RegExp(`exec "\\$node" ${proxyFlags.join(' ')} "\\$dist/heddle-proxy.cjs" "\\$@"`),
  );
  for (const [name, value] of Object.entries(proxyEnvironment)) {
    assert.ok(launcher.includes(`export ${name}="\${${name}:-${value}}"`), name);
  }
});

test('the runner gives a proxy the same flags', () => {
  const text = textOf('src/host/self.ts').replace(/\s+/g, ' ');
  assert.ok(text.includes(proxyFlags.map((flag) => `'${flag}'`).join(', ')));
});
