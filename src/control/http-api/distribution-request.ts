/** `POST /admin/distribution`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DistributionReply } from '#api/contract.ts';
import { answerJson, bodyOf } from './json-call.ts';

const MAX_TIMEOUT_MS = 60_000;

/**
 * Answers by itself; never rejects.
 * @param distribute resolves to the proxies that are late
 */
export async function awaitDistribution(
  distribute: (timeoutMs: number) => Promise<readonly string[]>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const timeoutMs = timeoutOf(await bodyOf(request));
    if (timeoutMs === undefined) {
      return answerJson(response, 400, { error: `timeoutMs is needed, from 0 to ${MAX_TIMEOUT_MS}` });
    }
    const reply: DistributionReply = { late: await distribute(timeoutMs) };
    answerJson(response, 200, reply);
  } catch (error) {
    answerJson(response, 500, { error: error instanceof Error ? error.message : String(error) });
  }
}

function timeoutOf(body: string): number | undefined {
  try {
    const { timeoutMs } = JSON.parse(body) as Record<string, unknown>;
    return typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= MAX_TIMEOUT_MS
      ? timeoutMs
      : undefined;
  } catch {
    return undefined;
  }
}
