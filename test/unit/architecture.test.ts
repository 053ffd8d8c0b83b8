/** ARCHITECTURE.md is true: its room table is the checked one, and every file it names is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const require = createRequire(import.meta.url);
const { rooms } = require('../../scripts/rooms.cjs') as { rooms: Record<string, string[]> };
const text = readFileSync('ARCHITECTURE.md', 'utf8');

test('the room table is the one that is checked', () => {
  const rows = [...text.matchAll(/^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$/gm)];
  const table = Object.fromEntries(
    rows.map(([, room, may]) => [room, may!.trim() === '–' ? [] : may!.trim().split(/\s+/)]),
  );
  delete table.app;
  delete table.dashboard;
  assert.deepEqual(table, rooms);
});

test('every path it names exists', () => {
  const paths = [...text.matchAll(/`((?:src|proto|test|scripts|docs|examples|bin)\/[\w./-]*)`/g)].map(
    ([, path]) => path!,
  );
  assert.ok(paths.length > 20, 'the walks name their files');
  assert.deepEqual(
    paths.filter((path) => !existsSync(path)),
    [],
  );
});
