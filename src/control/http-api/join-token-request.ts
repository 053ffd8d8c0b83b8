/** `POST /admin/join-tokens`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JoinTokenReply } from '#api/contract.ts';
import { isPathSegment } from '#identity/spiffe-id.ts';
import type { JoinTokens, TokenSubject } from '../ca/join-token.ts';

const MAX_BODY_BYTES = 16 * 1024;

/** Answers by itself; never rejects. */
export async function mintJoinToken(
  tokens: JoinTokens,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const subject = subjectOf(await bodyOf(request));
    if (subject === undefined) {
      return answer(response, 400, {
        error: 'namespace, serviceAccount and pod are needed, each a plain name',
      });
    }
    const { token, expiresAtMs } = await tokens.mint(subject);
    const reply: JoinTokenReply = { token, expiresAt: new Date(expiresAtMs).toISOString() };
    answer(response, 201, reply);
  } catch (error) {
    answer(response, 500, { error: error instanceof Error ? error.message : String(error) });
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

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error(`the body is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
