/** Waiting for the last connections to an instance that nobody is sent to any more. */
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Pause } from './pause.ts';

export interface Inbound {
  /** Of its proxy's admin interface. */
  readonly adminUrl: string;
  /** What its listeners for others listen on: its own ports, or the one that all are redirected to. */
  readonly ports: readonly number[];
}

const ASK_EVERY_MS = 50;
/** In a row: between two answers its proxy accepts what waited in the kernel. */
const QUIET_ANSWERS = 2;

/**
 * Resolves when its proxy has no connection from others, after `timeoutMs` at the latest. Other proxies close theirs once
 * they know that it is no endpoint; what was on its way is still answered until then.
 * @param pause ended by who cannot wait any more
 */
export async function inboundQuiet(inbound: Inbound, timeoutMs: number, pause: Pause): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  let quiet = 0;
  while (!pause.ended && performance.now() < deadlineMs) {
    const open = await openConnections(inbound, deadlineMs - performance.now());
    if (open === undefined) return;
    quiet = open === 0 ? quiet + 1 : 0;
    if (quiet === QUIET_ANSWERS) return;
    await pause.wait(ASK_EVERY_MS);
  }
}

/** Undefined where its proxy has ended, or does not answer in time. */
async function openConnections({ adminUrl, ports }: Inbound, timeoutMs: number): Promise<number | undefined> {
  const page = await statsPage(
    `${adminUrl}/stats?filter=^listener%5C..*downstream_(pre_)%3Fcx_active$`,
    timeoutMs,
  );
  if (page === undefined) return undefined;
  let open = 0;
  for (const [, port, count] of page.matchAll(
    /^listener\.\S+?_(\d+)\.downstream_(?:pre_)?cx_active: (\d+)$/gm,
  )) {
    if (ports.includes(Number(port))) open += Number(count);
  }
  return open;
}

function statsPage(url: string, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout }, (response) => {
      text(response).then(
        (page) => resolve(response.statusCode === 200 ? page : undefined),
        () => resolve(undefined),
      );
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
  });
}
