/** `grpc-timeout` (gRPC over HTTP/2, "Timeout"), in milliseconds. */

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
/** More digits than eight are not written. */
const MAX_VALUE = 99_999_999;

/** Whole milliseconds, rounded up; undefined where it is absent or is no time. */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value ?? '');
  return match === null ? undefined : Math.ceil(Number(match[1]) * units[match[2]!]!);
}

export function formatGrpcTimeout(timeoutMs: number): string {
  let value = Math.floor(timeoutMs);
  if (value <= MAX_VALUE) return `${value}m`;
  value = Math.floor(value / 1000);
  if (value <= MAX_VALUE) return `${value}S`;
  value = Math.floor(value / 60);
  return value <= MAX_VALUE ? `${value}M` : `${Math.min(MAX_VALUE, Math.floor(value / 60))}H`;
}
