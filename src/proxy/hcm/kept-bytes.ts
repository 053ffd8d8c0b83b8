/** How much of a request's body is kept for a retry. */
import type { HttpExchange } from './exchange.ts';

/** Envoy's window of a stream where none is set. */
const STREAM_WINDOW_BYTES = 16 * 1024 * 1024;

/** As the route or a filter says; else what the connection allows, or the window of a stream of HTTP/2. */
export function keptBytesOf({ bufferLimitBytes, route, runtime, stream }: HttpExchange): number {
  const { settings } = runtime;
  const ofRoute = route!.bodyLimitBytes;
  if (ofRoute !== undefined) return ofRoute;
  if (stream.major === 1 || bufferLimitBytes !== settings.bufferLimitBytes) return bufferLimitBytes;
  return settings.http2.initialStreamWindowSize || STREAM_WINDOW_BYTES;
}
