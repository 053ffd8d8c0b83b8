/** Host names in Istio's documents: short names, full names and wildcards. */
import type { Decoder } from './decode/decoder.ts';
import { nonEmptyText } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

const label = '[a-zA-Z0-9_](?:[-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?';
const hostPattern = new RegExp(`^(?:\\*|(?:\\*\\.)?${label}(?:\\.${label})*)$`);

/** `reviews`, `reviews.default.svc.cluster.local`, `*.example.com` or `*`. */
export const hostName: Decoder<string> = refined(
  nonEmptyText,
  (decoded, path, report) =>
    hostPattern.test(decoded) ? decoded : report.error(path, `${JSON.stringify(decoded)} is not a host name`),
  { format: 'host' },
);

/** A host name without wildcard: something that one can send to. */
export const destinationHost: Decoder<string> = refined(hostName, (decoded, path, report) =>
  decoded.startsWith('*') ? report.error(path, 'a destination has no wildcard') : decoded,
);

/** Kubernetes' suffix of service names. */
export const clusterDomain = 'svc.cluster.local';

/**
 * The full name: a name without a dot is a service in `namespace`, and `name.namespace` is left as
 * it is unless `knows` says that such a service exists.
 */
export function fullHostName(host: string, namespace: string, knows?: (full: string) => boolean): string {
  if (host.startsWith('*')) return host.toLowerCase();
  const lower = host.toLowerCase();
  if (!lower.includes('.')) return `${lower}.${namespace}.${clusterDomain}`;
  if (knows === undefined) return lower;
  for (const full of [`${lower}.${clusterDomain}`, `${lower}.cluster.local`]) {
    if (knows(full)) return full;
  }
  return lower;
}

/** Whether every host that `narrow` stands for is one of `wide`; `*` stands for all. */
export function coversHost(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true;
  return wide.startsWith('*') && narrow.endsWith(wide.slice(1)) && narrow.length >= wide.length;
}
