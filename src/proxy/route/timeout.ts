/** The time limits of a route (Envoy, "Route timeouts"). */
import type { RouteAction } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';

/** How far a caller's `grpc-timeout` is believed. */
export interface GrpcTimeoutRule {
  /** 0: any. */
  readonly maxMs: number;
  readonly offsetMs: number;
}

export interface RouteTimeouts {
  /** From the whole request to the whole response; 0: none. */
  readonly routeMs: number;
  /** Undefined: the listener's. 0: none. */
  readonly idleMs: number | undefined;
  /** While what is left of a response goes out; undefined: the listener's, 0: none. */
  readonly flushMs: number | undefined;
  /** Whether `max_stream_duration` takes the place of the route's timeout. */
  readonly limitsDuration: boolean;
  /** Of the whole stream; undefined: the listener's, 0: none. */
  readonly durationMs: number | undefined;
  /** For the duration; undefined: the header is not read. */
  readonly grpc: GrpcTimeoutRule | undefined;
  /** For the route's timeout (`max_grpc_timeout`); undefined: the header is not read. */
  readonly oldGrpc: GrpcTimeoutRule | undefined;
}

/** Envoy's default. */
const ROUTE_TIMEOUT_MS = 15_000;

export function compileTimeouts(action: RouteAction, path: string, findings: Findings): RouteTimeouts {
  const ms = (name: string, value: Parameters<Findings['durationMs']>[1]): number | undefined =>
    findings.durationMs(`${path}.${name}`, value);
  const duration = action.maxStreamDuration;
  const max = ms('max_stream_duration.grpc_timeout_header_max', duration?.grpcTimeoutHeaderMax);
  const offset = ms('max_stream_duration.grpc_timeout_header_offset', duration?.grpcTimeoutHeaderOffset) ?? 0;
  const oldMax = ms('max_grpc_timeout', action.maxGrpcTimeout);
  const oldOffset = ms('grpc_timeout_offset', action.grpcTimeoutOffset) ?? 0;
  return {
    routeMs: ms('timeout', action.timeout) ?? ROUTE_TIMEOUT_MS,
    idleMs: ms('idle_timeout', action.idleTimeout),
    flushMs: ms('flush_timeout', action.flushTimeout),
    limitsDuration: duration !== undefined,
    durationMs: ms('max_stream_duration.max_stream_duration', duration?.maxStreamDuration),
    grpc: max === undefined ? undefined : { maxMs: max, offsetMs: offset },
    oldGrpc: oldMax === undefined ? undefined : { maxMs: oldMax, offsetMs: oldOffset },
  };
}
