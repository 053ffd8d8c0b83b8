/**
 * What ends a whole connection: a violation of RFC 9113, or a limit that guards against abuse. Of which
 * the peer is told by a GOAWAY, and which end the connection without a word, is as in Envoy (nghttp2).
 */
import type { H2Counter } from './counter.ts';
import { errorCode } from './frame.ts';

export interface H2Fault {
  /** Error code of the GOAWAY. */
  readonly code: number;
  /** Whether a GOAWAY is sent. */
  readonly told: boolean;
  /** Envoy's response code details, for the requests that end with the connection. */
  readonly details: string;
  /** What is wrong, for people; holds nothing of the message. */
  readonly reason: string;
  /** The counter that was moved, -1 for none. */
  readonly counter: H2Counter | -1;
}

const CODEC_ERROR = 'codec_error:The_user_callback_function_failed';

/** A connection error of RFC 9113 §5.4.1, of which the peer is told. */
export function violation(code: number, reason: string): H2Fault {
  return { code, told: true, details: CODEC_ERROR, reason, counter: -1 };
}

/** The same, without a word. */
export function rejection(code: number, reason: string): H2Fault {
  return { code, told: false, details: CODEC_ERROR, reason, counter: -1 };
}

/** A limit against abuse was exceeded. */
export function flood(counter: H2Counter | -1, details: string, reason: string): H2Fault {
  return { code: errorCode.enhanceYourCalm, told: false, details, reason, counter };
}
