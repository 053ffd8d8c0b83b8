/** What the main thread and the one that answers datagrams tell each other. */
import type { LogFields, LogLevel } from '#observe/log.ts';
import type { Host } from './name-index.ts';
import type { Zone } from './zone.ts';

/** A table comes in pieces, in which hosts have no instances: those follow from their names. */
export type ToLoop =
  | { readonly kind: 'hosts'; readonly hosts: readonly Host[]; readonly wildcards: readonly Host[] }
  /** All hosts of it have come. */
  | ({ readonly kind: 'table'; readonly namespaces: ReadonlySet<string> } & Omit<Zone, 'index'>)
  | { readonly kind: 'end' };

export type FromLoop =
  /** The first table is in force. */
  | { readonly kind: 'serving' }
  /** It is not for the thread to answer. */
  | {
      readonly kind: 'question';
      /** Place of the socket among those the thread was given. */
      readonly socket: number;
      readonly bytes: Uint8Array;
      /** As the system has it. */
      readonly peer: Uint8Array;
    }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly event: string;
      readonly fields: LogFields;
    };

/** Memory that both threads see. */
export interface LoopFigures {
  /** Requests that the thread has answered, those it has handed on, and from there on its replies by their code. */
  readonly counts: Float64Array;
  /** One number: requests that were handed on and not taken yet. */
  readonly waiting: Int32Array;
}

export const figure = { answered: 0, handedOn: 1, replies: 2 } as const;
/** Codes of replies: BADVERS is the last one. */
export const CODES = 17;

export function loopFigures(): LoopFigures {
  const bytes = (figure.replies + CODES) * Float64Array.BYTES_PER_ELEMENT;
  return {
    counts: new Float64Array(new SharedArrayBuffer(bytes)),
    waiting: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
  };
}
