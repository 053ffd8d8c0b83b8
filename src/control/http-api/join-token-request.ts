/** `POST /admin/join-tokens`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JoinTokenReply } from '#api/contract.ts';
import { isPathSegment } from '#identity/spiffe-id.ts';
import type { JoinTokens, TokenSubject } from '../ca/join-token.ts';
import { answerJson, bodyOf } from './json-call.ts';

/** Answers by itself; never rejects. */
export async function mintJoinToken(
  tokens: JoinTokens,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const subject = subjectOf(await bodyOf(request));
    if (subject === undefined) {
      return answerJson(response, 400, {
        error: 'namespace, serviceAccount and pod are needed, each a plain name',
      });
    }
    const { token, expiresAtMs } = await tokens.mint(subject);
    const reply: JoinTokenReply = { token, expiresAt: new Date(expiresAtMs).toISOString() };
    answerJson(response, 201, reply);
  } catch (error) {
    answerJson(response, 500, { error: error instanceof Error ? error.message : String(error) });
  }
}

function subjectOf(body: string): TokenSubject | undefined {
  try {
    const { namespace, serviceAccount, pod } = JSON.parse(body) as Record<string, unknown>;
    for (const name of [namespace, serviceAccount, pod]) {
      if (typeof name !== 'string' || !isPathSegment(name)) return undefined;
    }
    return { namespace, serviceAccount, pod } as TokenSubject;
  } catch {
    return undefined;
  }
}
