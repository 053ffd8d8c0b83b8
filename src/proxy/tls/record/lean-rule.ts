/**
 * Which connections leave OpenSSL after their handshake. The first ones stay: OpenSSL seals and opens a
 * record for less than `node:crypto` does. Where there are hundreds, most of them wait for something to
 * happen, and what they weigh counts more: 20 KB and not 64.
 */
import type { Duplex } from 'node:stream';

/** So many connections of one thread stay with OpenSSL. */
export const LEAN_AFTER = 256;

let open = 0;

/** Counts a connection while it is open. @returns how many are, with this one */
export function countOpen(raw: Duplex): number {
  raw.on('close', countClosed);
  return ++open;
}

function countClosed(): void {
  open--;
}
