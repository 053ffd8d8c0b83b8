/** Every counter that the table of limits names is there, in a proxy that has had no traffic yet. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bootstrap, cluster, httpListener, startDataPath } from '../support/data-path.ts';
import { tcpListener } from '../support/tcp-chain.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/limits.md'), 'utf8');

/** Of the last column of the table that begins with `limit`. */
function namedCounters(): string[] {
  const from = document.indexOf('| limit | ');
  const table = document.slice(from, document.indexOf('\n\n', from));
  return table
    .split('\n')
    .slice(2)
    .flatMap((row) =>
      [...(row.split('|').at(-2) ?? '').matchAll(/`([a-z0-9_.*]+)`/g)].map((match) => match[1]!),
    );
}

test('the counters of the table of limits exist', async (t) => {
  const path = await startDataPath(
    t,
    bootstrap(
      [
        httpListener({ routes: '[{ match: { prefix: / }, route: { cluster: app } }]' }),
        tcpListener({ proxy: 'cluster: app' }),
      ],
      [cluster('app', [1])],
    ),
  );
  const names = path.metrics.stats().map(({ name }) => name);
  const counters = namedCounters();
  assert.ok(counters.length > 20, counters.join());
  for (const counter of counters) {
    const [first, last] = counter.split('*') as [string, string | undefined];
    const there = names.some((name) => name.startsWith(first) && name.endsWith(last ?? first));
    assert.ok(there, `${counter} is not there`);
  }
});
