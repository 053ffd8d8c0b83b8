/**
 * h2specd as its page in a browser drives it: a server on a port for each case, and a page with the verdicts. Driven by
 * `--exec`, it would end without any verdict at the first case that takes three seconds, as one may on a busy machine.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from './eventually.ts';
import { tries, type Verdict } from './h2spec.ts';

/** Those that the system gives out by itself are above; h2specd takes no port 0. */
const firstPort: number = 20_000 + (process.pid % 10_000);
/** More than it has cases. */
const PORTS = 80;
export const casePorts: readonly number[] = Array.from({ length: PORTS }, (_, i) => firstPort + i);
const pagePort: number = firstPort + PORTS;

const AT_ONCE = 4;
interface Case {
  /** Section and name. */
  readonly title: string;
  readonly port: number;
  /** Undefined until somebody came to its port and the case was over. */
  readonly passed: boolean | undefined;
}

/** @param ask sends one request to a port of `casePorts`; resolves when nothing more will come of it */
export async function judgeClient(
  program: string,
  ask: (port: number) => Promise<unknown>,
): Promise<Verdict> {
  let cases = 0;
  let failed: ReadonlySet<string> | undefined;
  for (let attempt = 0; attempt < tries && failed?.size !== 0; attempt++) {
    const only = failed;
    const outcome = await runCases(program, ask, ({ title }) => only?.has(title) ?? true);
    cases ||= outcome.length;
    failed = new Set(outcome.filter(({ passed }) => passed === false).map(({ title }) => title));
  }
  return { cases, failed: [...(failed ?? [])] };
}

/** Runs the chosen cases with an h2specd of their own. */
async function runCases(
  program: string,
  ask: (port: number) => Promise<unknown>,
  chosen: (one: Case) => boolean,
): Promise<readonly Case[]> {
  const child = spawn(program, ['--strict', '--from-port', String(firstPort), '--port', String(pagePort)], {
    stdio: 'ignore',
  });
  try {
    const page = async (): Promise<Case[]> => {
      assert.equal(child.exitCode, null, 'h2specd ended: is a port taken?');
      return casesOf(await (await fetch(`http://127.0.0.1:${pagePort}/report`)).text()).filter(chosen);
    };
    let waiting = await eventually(page, { until: () => child.exitCode !== null });
    // Who comes too late for the handshake of a case has no verdict, and comes again.
    return await eventually(
      async () => {
        await inTurns(waiting, ({ port }) => ask(port));
        return eventually(
          async () => {
            const cases = await page();
            waiting = cases.filter(({ passed }) => passed === undefined);
            assert.deepEqual(waiting, []);
            return cases;
          },
          { timeoutMs: 5000 },
        );
      },
      { timeoutMs: 60_000 },
    );
  } finally {
    await killed(child);
  }
}

async function killed(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  if (child.exitCode === null) child.kill('SIGKILL');
  await closed;
}

async function inTurns<T>(all: readonly T[], one: (each: T) => Promise<unknown>): Promise<void> {
  const left = all.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const each of left) await one(each);
    }),
  );
}

/** Of the page's HTML: sections, and cases with the color of their verdict. */
function casesOf(html: string): Case[] {
  const cases: Case[] = [];
  let section = '';
  for (const match of html.matchAll(
    /<div>(\d[\d.]*\. [^<]*)<\/div>|<span style="color: (\w+);">([^<]*)<\/span><a href="[^"]*:(\d+)\/"[^>]*>[^<]*<\/a>([^<]*)/g,
  )) {
    const [, title, color, mark, port, name] = match;
    if (title !== undefined) section = title;
    else {
      const passed = mark === '&nbsp;&nbsp;' ? undefined : color === 'green';
      cases.push({ title: `${section}: ${name}`, port: Number(port), passed });
    }
  }
  return cases;
}
