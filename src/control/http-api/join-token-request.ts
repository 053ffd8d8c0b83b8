/** `POST /admin/join-tokens`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type JoinTokenReply,
  type JoinTokenRequest,
  maxJoinTokenTtlSeconds,
  maxJoinTokenUses,
} from '#api/contract.ts';
import { isPathSegment } from '#identity/spiffe-id.ts';
import type { JoinTokens } from '../ca/join-token.ts';
import { answerJson, bodyOf } from './json-call.ts';

/** Answers by itself; never rejects. */
export async function mintJoinToken(
  tokens: JoinTokens,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const asked = requestIn(await bodyOf(request));
    if (typeof asked === 'string') return answerJson(response, 400, { error: asked });
    const { ttlSeconds, uses, ...subject } = asked;
    const { token, expiresAtMs } = await tokens.mint(subject, {
      ...(ttlSeconds !== undefined && { lifeMs: ttlSeconds * 1000 }),
      ...(uses !== undefined && { uses }),
    });
    const reply: JoinTokenReply = { token, expiresAt: new Date(expiresAtMs).toISOString() };
    answerJson(response, 201, reply);
  } catch (error) {
    answerJson(response, 500, { error: error instanceof Error ? error.message : String(error) });
  }
}

/** What is asked for, or what is wrong with it. */
function requestIn(body: string): JoinTokenRequest | string {
  let asked: Partial<Record<keyof JoinTokenRequest, unknown>>;
  try {
    asked = JSON.parse(body) as typeof asked;
  } catch {
    return 'a JSON object is needed';
  }
  if (typeof asked !== 'object' || asked === null) return 'a JSON object is needed';
  const { namespace, serviceAccount, pod, ttlSeconds, uses } = asked;
  const complaints = [
    ...(isName(namespace) ? [] : ['namespace is needed, a plain name']),
    ...(isName(serviceAccount) ? [] : ['serviceAccount is needed, a plain name']),
    ...(pod === undefined || isName(pod) ? [] : ['pod has to be a plain name']),
    ...(isCount(ttlSeconds, maxJoinTokenTtlSeconds)
      ? []
      : [`ttlSeconds has to be from 1 to ${maxJoinTokenTtlSeconds}`]),
    ...(isCount(uses, maxJoinTokenUses) ? [] : [`uses has to be from 1 to ${maxJoinTokenUses}`]),
  ];
  return complaints.length === 0 ? (asked as JoinTokenRequest) : complaints.join('; ');
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && isPathSegment(value);
}

function isCount(value: unknown, most: number): boolean {
  return value === undefined || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most);
}
