/** What a choice among endpoints depends on besides the endpoints. */
import type { Word64 } from '#core/word64.ts';
import type { Endpoint } from './endpoint.ts';

/** Read during the pick and not kept: who asks may use one object again and again. */
export interface PickContext {
  /** Of the request, where the policy hashes. */
  readonly hash: Word64 | undefined;
  /** Endpoints to be turned down while there is a choice; undefined: none. */
  readonly tried: ReadonlySet<Endpoint> | undefined;
  /** How many endpoints are drawn at most in search of one that is not turned down; the last is taken. */
  readonly attempts: number;
}

export interface MutablePickContext {
  hash: Word64 | undefined;
  tried: ReadonlySet<Endpoint> | undefined;
  attempts: number;
}

export const newPickContext = (): MutablePickContext => ({ hash: undefined, tried: undefined, attempts: 1 });
