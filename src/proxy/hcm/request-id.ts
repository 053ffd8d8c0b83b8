/** `x-request-id` (Envoy, `UuidRequestIdConfig`). */
import type { Random } from '#core/random.ts';
import { type HeaderList, headerOf, setHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';

export interface RequestIdRules {
  readonly generates: boolean;
  /** Whether an id from outside is kept. */
  readonly keepsExternal: boolean;
  readonly inResponse: boolean;
  /** Whether the id says if the request is traced; an id from outside must not. */
  readonly packsTraceReason: boolean;
}

/** The place of the version in a UUID, where it is said whether the request is traced. */
const REASON_AT = 14;
const NOT_TRACED = '4';

/** @param marks of the head @param isEdge whether the request comes from outside to the first of our proxies */
export function setRequestId(
  headers: HeaderList,
  marks: number,
  isEdge: boolean,
  rules: RequestIdRules,
  random: Random,
): void {
  if ((marks & mark.requestId) === 0) {
    headers.push('x-request-id', random.uuid());
    return;
  }
  const before = headerOf(headers, 'x-request-id') ?? '';
  if (before === '' || (isEdge && !rules.keepsExternal)) {
    setHeader(headers, 'x-request-id', random.uuid());
    return;
  }
  if (!isEdge || !rules.packsTraceReason || before.length <= REASON_AT) return;
  setHeader(headers, 'x-request-id', before.slice(0, REASON_AT) + NOT_TRACED + before.slice(REASON_AT + 1));
}
