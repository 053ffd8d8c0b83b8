import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostDemand } from './host-demand.ts';

interface Rig {
  readonly demand: HostDemand;
  /** What was asked for, and what was heard, such as `a found`. */
  readonly seen: string[];
  wait(routes: string, host: string, who: string): () => void;
}

function rig(): Rig {
  const seen: string[] = [];
  const demand = new HostDemand((routes, host) => void seen.push(`${routes}/${host}`));
  const wait: Rig['wait'] = (routes, host, who) =>
    demand.wait(routes, host, (found) => void seen.push(`${who} ${found ? 'found' : 'none'}`));
  return { demand, seen, wait };
}

test('what several wait for is asked for once, and answered to all', async () => {
  const { demand, seen, wait } = rig();
  wait('r', 'a.example', 'one');
  wait('r', 'a.example', 'two');
  wait('q', 'a.example', 'other');
  // Who asks waits when it is asked.
  assert.deepEqual(seen, []);
  await Promise.resolve();
  assert.deepEqual(seen.splice(0), ['r/a.example', 'q/a.example']);
  demand.answer('r', ['b.example', 'a.example'], (host) => host === 'a.example');
  assert.deepEqual(seen.splice(0), ['one found', 'two found']);
  demand.answer('q', ['a.example'], () => false);
  demand.answer('q', ['a.example'], () => false);
  assert.deepEqual(seen, ['other none']);
});

test('one that is forgotten hears nothing, and the next one asks anew', async () => {
  const { demand, seen, wait } = rig();
  const forget = wait('r', 'a.example', 'one');
  await Promise.resolve();
  forget();
  forget();
  demand.answer('r', ['a.example'], () => true);
  wait('r', 'a.example', 'two');
  await Promise.resolve();
  assert.deepEqual(seen, ['r/a.example', 'r/a.example']);
});
