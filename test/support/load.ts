/**
 * A steady load of small GETs over keep-alive connections, from inside the test: what came of each
 * request is known, and when. A rate, because tests share the machine with what they test.
 */
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';

export interface Answer {
  /** 0 where there was none. */
  readonly status: number;
  /** Of the answer; without one, what went wrong. */
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
  /** `performance.now()` as it was sent, and when all of the answer was there. */
  readonly sentMs: number;
  readonly endedMs: number;
}

export interface LoadSettings {
  readonly url: string;
  readonly connections?: number;
  /** Of all connections together. */
  readonly ratePerSecond?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Load {
  /** Every answer so far, in order of their ends. */
  readonly answers: readonly Answer[];
  /** Answers that were not 200, to be shown: how many of each kind, with the first seconds they came at. */
  failures(): readonly string[];
  /** Resolves when every request under way is answered. */
  stop(): Promise<void>;
}

const requestDeadlineMs = 20_000;

export function startLoad({ url, connections = 64, ratePerSecond = 256, headers = {} }: LoadSettings): Load {
  const answers: Answer[] = [];
  const startedMs = performance.now();
  const pauseMs = (1000 * connections) / ratePerSecond;
  let running = true;
  const connection = async (at: number): Promise<void> => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let nextMs = startedMs + (pauseMs * at) / connections;
    while (running) {
      await wait(Math.max(0, nextMs - performance.now()));
      if (!running) break;
      answers.push(await ask(url, agent, headers));
      // A slow answer is not made up for by a burst.
      nextMs = Math.max(nextMs + pauseMs, performance.now());
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: connections }, (_, at) => connection(at)));
  return {
    answers,
    failures: () => failuresOf(answers, startedMs),
    stop: async () => {
      running = false;
      await all;
    },
  };
}

async function ask(
  url: string,
  agent: http.Agent,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const sentMs = performance.now();
  try {
    const signal = AbortSignal.timeout(requestDeadlineMs);
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(url, { agent, headers, signal }, resolve).on('error', reject);
    });
    const body = await text(response);
    const { statusCode: status = 0, headers: answered } = response;
    return { status, body, headers: answered, sentMs, endedMs: performance.now() };
  } catch (error) {
    return { status: 0, body: String(error), headers: {}, sentMs, endedMs: performance.now() };
  }
}

function failuresOf(answers: readonly Answer[], startedMs: number): string[] {
  const failed = answers.filter(({ status }) => status !== 200);
  const kinds = Map.groupBy(failed, ({ status, body }) => `${status} ${body.slice(0, 120)}`);
  return [...kinds].map(([kind, of]) => {
    const seconds = of.slice(0, 5).map(({ endedMs }) => ((endedMs - startedMs) / 1000).toFixed(2));
    return `${of.length} × ${kind} (after ${seconds.join(', ')} s)`;
  });
}
