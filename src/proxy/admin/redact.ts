/** Takes secrets out of what the admin interface shows, wherever in a resource they stand. */
import type { JsonValue } from '@bufbuild/protobuf';

/** What Envoy writes in their place. */
const REDACTED = '[redacted]';
const REDACTED_BASE64: string = btoa(REDACTED);

/** Fields whose every value is a secret (Envoy's `udpa.annotations.sensitive`). */
const sensitiveFields: ReadonlySet<string> = new Set([
  'private_key',
  'password',
  'pkcs12',
  'generic_secret',
  'session_ticket_keys',
]);

/** Headers of a call to a server may hold a token. */
const HEADERS_OF_CALLS = 'initial_metadata';

/** Whether what a field of that name holds is not shown as it is. */
export function isSensitive(name: string): boolean {
  return sensitiveFields.has(name) || name === HEADERS_OF_CALLS;
}

/** @param value ProtoJSON with field names in snake_case. */
export function redacted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (sensitiveFields.has(key)) return [key, blanked(inner)];
      return [key, key === HEADERS_OF_CALLS ? blankedHeaders(inner) : redacted(inner)];
    }),
  );
}

function blanked(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(blanked);
  if (typeof value !== 'object' || value === null) return REDACTED;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key === '@type') return [key, inner];
      return [key, key === 'inline_bytes' ? REDACTED_BASE64 : blanked(inner)];
    }),
  );
}

function blankedHeaders(value: JsonValue): JsonValue {
  if (!Array.isArray(value)) return blanked(value);
  return value.map((header) => {
    const key =
      typeof header === 'object' && header !== null && !Array.isArray(header) ? header.key : undefined;
    return { ...(key === undefined ? {} : { key }), value: REDACTED };
  });
}
