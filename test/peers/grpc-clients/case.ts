import assert from 'node:assert/strict';
import { assertShares } from '../../support/share.ts';
import type { Place } from './documents.ts';
import type { Backend, Call, CallEnd, Language } from './rig.ts';

export interface Backends {
  readonly v1: Backend;
  readonly v2: Backend;
  /** Answers after five seconds. */
  readonly slow: Backend;
  /** Is ended by a test. */
  readonly mortal: Backend;
  /** Was never there. */
  readonly dead: Backend;
  /** Asks for a certificate of the mesh, and has one of the account `server`. */
  readonly secure: Backend;
}

export interface Rig {
  readonly language: Language;
  readonly backends: Backends;
  /** The name of who answered; fails with what the client says. */
  ask(call: Call): Promise<string>;
  /** The status of a call. */
  code(call: Call): Promise<number>;
  call(call: Call): Promise<CallEnd>;
}

/** What is written, and what a client makes of it. */
export interface GrpcCase {
  readonly name: string;
  readonly documents: (backends: Backends) => string;
  readonly check: (rig: Rig) => Promise<void>;
}

export function versions({ v1, v2 }: Backends): Place[] {
  return [
    { port: v1.port, version: 'v1' },
    { port: v2.port, version: 'v2' },
  ];
}

export function only({ port }: Backend): Place[] {
  return [{ port, version: 'v1' }];
}

/** Who answers calls that differ in what is given. */
export async function assertAnswers(
  { ask }: Rig,
  host: string,
  expected: readonly (readonly [call: Omit<Call, 'to'>, version: string])[],
): Promise<void> {
  for (const [call, version] of expected)
    assert.equal(await ask({ to: `${host}:7070`, ...call }), version, JSON.stringify(call));
}

export async function assertDivided(
  { ask }: Rig,
  host: string,
  percents: Readonly<Record<string, number>>,
): Promise<void> {
  await assertShares(() => ask({ to: `${host}:7070` }), percents, { requests: 600, tolerancePoints: 6 });
}
