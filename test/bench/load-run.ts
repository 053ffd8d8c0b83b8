/** Runs a row of load: every contender started and checked, then round after round, interleaved. */
import { statSync, truncateSync } from 'node:fs';
import { eventually } from '../support/eventually.ts';
import type { Bed } from './bed.ts';
import { nothingElse } from './config/work.ts';
import { type Contender, type Setup, startContender } from './contender.ts';
import { answers, bodyOf } from './probe.ts';
import type { ContenderName } from './program.ts';
import { addedOver, type Measured, type Samples } from './result.ts';
import { applyLoad, coresOf, figuresOf, objection, type Round, runRound } from './round.ts';
import type { Figure, LoadRow } from './row.ts';

/** Start-up is measured this often, before the rounds. */
const starts = 3;
/** Before the first round, for just-in-time compilers and connection pools. */
const warmUpSeconds = 3;

export interface Asked {
  readonly contenders: readonly ContenderName[];
  readonly rounds: number;
  readonly seconds: number;
  progress(text: string): void;
}

export interface Outcome {
  readonly measured: readonly Measured[];
  readonly shown: readonly Figure[];
  /** Who should have taken part and could not, with the reason. */
  readonly failed: Partial<Record<ContenderName, string>>;
}

interface Running {
  readonly contender: Contender;
  readonly startsMs: readonly number[];
  readonly rounds: Round[];
}

export async function runLoadRow(row: LoadRow, asked: Asked, bed: Bed): Promise<Outcome> {
  const running: Running[] = [];
  const failed: Outcome['failed'] = {};
  try {
    for (const name of asked.contenders) {
      asked.progress(`starting ${name}`);
      try {
        running.push(await start(name, row, bed));
      } catch (error) {
        failed[name] = error instanceof Error ? error.message : String(error);
      }
    }
    for (const { contender } of running) await warmUp(row, contender, bed, asked);
    await runRounds(row, running, bed, asked);
    if (row.logged) await Promise.all(running.map(checkLogs));
    return { measured: measuredOf(row, running), shown: figuresOf(row), failed };
  } finally {
    await Promise.all(running.map(({ contender }) => contender.stop()));
  }
}

export function setupOf(name: ContenderName, row: LoadRow, bed: Bed): Setup {
  return {
    traffic: row.traffic,
    hops: row.hops,
    elsewhere: row.elsewhere ?? nothingElse,
    besides: row.besides ?? {},
    threads: row.threads ?? 1,
    cores: coresOf(row).proxy,
    // Debian's nginx has no HTTP/2 towards an upstream but for gRPC.
    backendPort: bed.backends[name === 'nginx' && row.traffic === 'h2' ? 'h1' : row.backend],
  };
}

/** Starts a contender a few times for its start-up, and leaves the last one running. */
async function start(name: ContenderName, row: LoadRow, bed: Bed): Promise<Running> {
  const setup = setupOf(name, row, bed);
  const startsMs: number[] = [];
  for (;;) {
    const contender = await startContender(name, setup, bed);
    try {
      if (name === 'direct') {
        await checkDirect(contender);
        return { contender, startsMs: [], rounds: [] };
      }
      startsMs.push(contender.startMs);
      if (startsMs.length === starts) {
        await checkWork(contender, row);
        return { contender, startsMs, rounds: [] };
      }
    } catch (error) {
      await contender.stop();
      throw error;
    }
    await contender.stop();
  }
}

async function checkDirect({ target }: Contender): Promise<void> {
  if (!(await answers(target))) throw new Error('the backend does not answer');
}

/** All do the same work, or are not compared: what the backend saw of a request through this contender. */
async function checkWork({ target }: Contender, { backend }: LoadRow): Promise<void> {
  if (backend !== 'h1' && backend !== 'h2') return;
  const seen = await bodyOf(target, '/seen');
  const missing = ['x-request-id', 'x-forwarded-for', 'x-forwarded-proto'].filter(
    (name) => !new RegExp(`^${name}=.`, 'm').test(seen),
  );
  if (missing.length > 0) throw new Error(`it does not send ${missing.join(' ')}`);
}

async function warmUp(
  row: LoadRow,
  contender: Contender,
  bed: Bed,
  { seconds, progress }: Asked,
): Promise<void> {
  progress(`warming ${contender.name}`);
  const { load } = row;
  // As fast as it goes, also where the rounds have a fixed rate.
  const fast =
    'perSecond' in load ? ({ by: 'wrk', connections: load.connections, path: load.path } as const) : load;
  await applyLoad({ ...row, load: fast }, contender, bed, Math.min(warmUpSeconds, seconds));
}

async function runRounds(row: LoadRow, running: readonly Running[], bed: Bed, asked: Asked): Promise<void> {
  for (let at = 0; at < asked.rounds; at++) {
    asked.progress(`round ${at + 1} of ${asked.rounds}`);
    // Each round begins with another one, so that nobody always follows the same neighbour.
    const order = running.map((_, index) => running[(index + at) % running.length]);
    for (const one of order) {
      if (one === undefined) continue;
      // Hundreds of megabytes a round; all proxies append.
      for (const log of one.contender.accessLogs) truncateSync(log);
      one.rounds.push(await runRound(row, one.contender, bed, asked.seconds));
    }
  }
}

/** Envoy writes lines after ten seconds where they are few. */
async function checkLogs({ contender }: Running): Promise<void> {
  await eventually(
    () => {
      for (const log of contender.accessLogs) {
        if (statSync(log).size === 0) throw new Error(`${contender.name} wrote no access log`);
      }
    },
    { timeoutMs: 12_000 },
  );
}

function measuredOf(row: LoadRow, running: readonly Running[]): Measured[] {
  const samplesOf = ({ rounds, startsMs }: Running): Samples => {
    const names = Object.keys(rounds[0] ?? {}) as (keyof Round)[];
    const figures = names.map((name) => [name, rounds.map((round) => round[name])] as const);
    return { ...Object.fromEntries(figures), startMs: startsMs };
  };
  const direct = running.find(({ contender }) => contender.name === 'direct');
  return running.map((one) => {
    const { name, version } = one.contender;
    const own = samplesOf(one);
    const adds = row.added === true && direct !== undefined && one !== direct;
    const against = objection(row, name, one.rounds);
    return {
      name,
      version,
      samples: adds ? addedOver(samplesOf(direct), own) : own,
      ...(against === undefined ? {} : { objection: against }),
    };
  });
}
