/** What ends a whole connection: a violation of RFC 9113, or a limit that guards against abuse. */
import type { H2Counter } from './counter.ts';
import { errorCode } from './frame.ts';

export interface H2Fault {
  /** Error code of the GOAWAY that is sent. */
  readonly code: number;
  /** Envoy's response code details, for the requests that end with the connection. */
  readonly details: string;
  /** What is wrong, for people; holds nothing of the message. */
  readonly reason: string;
  /** The counter that was moved, -1 for none. */
  readonly counter: H2Counter | -1;
}

/** A connection error of RFC 9113 §5.4.1. */
export function violation(code: number, reason: string): H2Fault {
  return { code, details: 'codec_error:The_user_callback_function_failed', reason, counter: -1 };
}

/** A limit against abuse was exceeded. */
export function flood(counter: H2Counter, details: string, reason: string): H2Fault {
  return { code: errorCode.enhanceYourCalm, details, reason, counter };
}
