/** What a row of the chaos suite is: the bed, the load, what goes wrong and when, and what counts as failed. */
import type { Told } from '../../interop/envoy/backend/dns.ts';
import type { Message } from '../../interop/envoy/harness/bootstrap.ts';
import list from './scenarios.json' with { type: 'json' };

/** When something is wrong, counted from the first request that counts. */
export interface Window {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

/** How an upstream is wrong while its process is well. */
export type UpstreamMode =
  /** Answers after `ms`. */
  | 'slow'
  /** Every `every`th answer is `status`. */
  | 'errors'
  /** Resets connections that are open, and others when a request comes. */
  | 'reset'
  /** Nobody listens, and what was open is gone. */
  | 'refuse'
  /** Reads and never answers, on connections old and new. */
  | 'black-hole'
  /** Connections that were open are never heard of again; new ones are well. */
  | 'half-open'
  /** What is no HTTP/1, or no frames of HTTP/2. */
  | 'garbage'
  /** The connection ends in the midst of the body. */
  | 'truncate'
  /** The body stops in its midst and the connection stays. */
  | 'stall'
  /** Only checks of its health fail. */
  | 'unhealthy';

export interface UpstreamFault {
  readonly kind: 'upstream';
  readonly mode: UpstreamMode;
  readonly ms?: number;
  readonly status?: number;
  readonly every?: number;
}

export type ControlMode = 'flap' | 'hang' | 'gone' | 'rubbish' | 'storm';

export type Fault = Window &
  (
    | (UpstreamFault & { readonly backends: readonly number[] })
    /** SIGKILL and a new process on the same port, or SIGSTOP and SIGCONT. */
    | { readonly kind: 'kill' | 'stop'; readonly backends: readonly number[] }
    | { readonly kind: 'dns'; readonly told: Told }
    | { readonly kind: 'control'; readonly mode: ControlMode; readonly everyMs?: number }
    | {
        readonly kind: 'clients';
        readonly mode: 'connections' | 'slow-readers' | 'burst';
        /** Connections; of a burst, requests a second besides the others. */
        readonly count: number;
        readonly times?: number;
        readonly bytesPerSecond?: number;
      }
  );

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** It is part of the short form. */
  readonly short?: boolean;
  readonly backends: number;
  readonly protocol: 'http1' | 'http2';
  readonly discovery: 'static' | 'dns' | 'ads';
  /**
   * Fields of Envoy's Cluster, and two of ours: `http2` are `http2_protocol_options`, `priorities` says how many
   * endpoints each priority has.
   */
  readonly cluster: Message & { readonly http2?: Message; readonly priorities?: readonly number[] };
  /** Fields of Envoy's RouteAction. */
  readonly route: Message;
  /** Requests are due at equal distances, whatever becomes of those before. */
  readonly load: { readonly perSecond: number; readonly seconds: number };
  readonly faults: readonly Fault[];
  /** What counts as failed: another status, an incomplete or wrong body, or no end within that time of when it was due. */
  readonly failed: { readonly statusOtherThan: number; readonly afterMs: number };
  /**
   * Recovery begins with the first or ends with the last fault, and is over with the first second from which on every
   * request is answered well within `withinMs`.
   */
  readonly recovery: { readonly from: 'start' | 'end'; readonly withinMs: number };
}

export const scenarios: readonly Scenario[] = list as unknown as readonly Scenario[];

/** From the first fault's beginning to the last one's end. */
export const faultWindow = ({ faults }: Scenario): Window => ({
  fromSeconds: Math.min(...faults.map(({ fromSeconds }) => fromSeconds)),
  untilSeconds: Math.max(...faults.map(({ untilSeconds }) => untilSeconds)),
});
