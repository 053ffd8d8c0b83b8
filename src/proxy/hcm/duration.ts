/** How long a stream may last as a whole, once its route is known (Envoy, `max_stream_duration`). */
import { formatGrpcTimeout, parseGrpcTimeout } from '#http/grpc-timeout.ts';
import { type HeaderList, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import type { RouteTimeouts } from '../route/timeout.ts';

/** The exchange. */
interface LimitedStream {
  readonly requestHeaders: HeaderList;
  readonly isGrpc: boolean;
  /** Counted from its start; 0: none. */
  armDuration(durationMs: number): void;
}

/** @param listenerMs of the listener; 0: none */
export function limitDuration(stream: LimitedStream, timeouts: RouteTimeouts, listenerMs: number): void {
  const headers = stream.requestHeaders;
  const asked = timeouts.grpc === undefined ? undefined : parseGrpcTimeout(headerOf(headers, 'grpc-timeout'));
  const rewrites = timeouts.limitsDuration && stream.isGrpc;
  if (asked === undefined) {
    const durationMs = timeouts.durationMs ?? listenerMs;
    if (rewrites && durationMs === 0) removeHeader(headers, 'grpc-timeout');
    else if (rewrites) setHeader(headers, 'grpc-timeout', formatGrpcTimeout(durationMs));
    stream.armDuration(durationMs);
    return;
  }
  const { maxMs, offsetMs } = timeouts.grpc!;
  const capped = maxMs === 0 ? asked : Math.min(asked, maxMs);
  const durationMs = capped === 0 ? 0 : Math.max(0, capped - offsetMs);
  if (rewrites) setHeader(headers, 'grpc-timeout', formatGrpcTimeout(durationMs));
  // Nothing left is no time at all, and not time without end.
  stream.armDuration(Math.max(durationMs, Number.MIN_VALUE));
}
