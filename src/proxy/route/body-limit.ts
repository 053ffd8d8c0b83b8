/** How much of a request's body is kept for a retry (Envoy, `request_body_buffer_limit`). */
import type { Findings } from '../findings.ts';

/** Of a route or a virtual host; undefined where nothing is said. */
export interface BodyLimit {
  readonly bytes: number | undefined;
  /** Of `per_request_buffer_limit_bytes`, which yields to `bytes`, of the virtual host too. */
  readonly olderBytes: number | undefined;
}

interface Limited {
  readonly requestBodyBufferLimit?: bigint | undefined;
  readonly perRequestBufferLimitBytes?: number | undefined;
}

/** @param path of the route or virtual host */
export function compileBodyLimit(
  { requestBodyBufferLimit: limit, perRequestBufferLimitBytes: older }: Limited,
  path: string,
  findings: Findings,
): BodyLimit {
  if (limit !== undefined && older !== undefined) {
    findings.error(
      `${path}.per_request_buffer_limit_bytes`,
      'must not stand beside request_body_buffer_limit: leave it out',
    );
  }
  return { bytes: limit === undefined ? undefined : Number(limit), olderBytes: older };
}

/** Undefined: as much as the connection, or a filter, allows. */
export function bodyLimitBytes(route: BodyLimit, host: BodyLimit): number | undefined {
  return route.bytes ?? host.bytes ?? route.olderBytes ?? host.olderBytes;
}
