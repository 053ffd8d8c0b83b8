import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasUnheardEnds } from './farewell.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (state: string): string =>
  `   0: 0100007F:1F90 0100007F:9CBC ${state} 00000000:00000000 00:00000000 00000000     0        0 4242 1\n`;

test('an end that the peer has not acknowledged is unheard', () => {
  for (const state of ['04', '09', '0B']) assert.ok(hasUnheardEnds(head + line('0A') + line(state)), state);
});

test('what listens, talks, or is over between both is not', () => {
  for (const state of ['01', '05', '06', '08', '0A']) assert.ok(!hasUnheardEnds(head + line(state)), state);
  assert.ok(!hasUnheardEnds(head));
  assert.ok(!hasUnheardEnds(''));
});
