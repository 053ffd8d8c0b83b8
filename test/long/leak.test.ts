/**
 * Half an hour of mixed traffic ends within five percent of the memory there was after five minutes.
 * HEDDLE_LEAK_MINUTES sets another length; the first sixth of it is what memory is compared with.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { openSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Bed, withBed } from '../bench/bed.ts';
import { memory, processTree } from '../bench/measure/process-cost.ts';
import { median } from '../bench/measure/statistics.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { mixedTraffic } from './traffic.ts';

const minutes = Number(process.env.HEDDLE_LEAK_MINUTES ?? 30);
const allowedGrowth = 1.05;
const secondsOfEach = 2;
/** Memory is read when it has not fallen for so long: what is garbage goes in several steps. */
const quietMs = 20_000;
const longestQuietMs = 90_000;
const everyMs = 1000;
/** Less than this is no fall. */
const noFall = 0.005;
const megabyte = 1024 * 1024;

const program = resolve(import.meta.dirname, '../../bin/heddle');

/** Private memory of the process, in bytes, as it is without traffic when it has come to rest. */
async function quietMemory(pid: number): Promise<number> {
  const startedMs = performance.now();
  let lowest = Number.POSITIVE_INFINITY;
  let fellMs = startedMs;
  let sinceFall: number[] = [];
  while (performance.now() - fellMs < quietMs && performance.now() - startedMs < longestQuietMs) {
    const bytes = memory([pid]).uniqueBytes;
    if (bytes < lowest * (1 - noFall)) {
      lowest = bytes;
      fellMs = performance.now();
      sinceFall = [];
    }
    sinceFall.push(bytes);
    await wait(everyMs);
  }
  return median(sinceFall);
}

async function growth(bed: Bed, report: (text: string) => void): Promise<number> {
  const accessLog = join(bed.folder, 'access.log');
  const traffic = await mixedTraffic(bed, accessLog);
  const config = join(bed.folder, 'long.json');
  writeFileSync(config, traffic.bootstrap);
  writeFileSync(accessLog, '');
  const log = openSync(join(bed.folder, 'long.log'), 'a');
  const child = spawn(program, ['proxy', '-c', config], { stdio: ['ignore', log, log] });
  try {
    await eventually(async () => {
      assert.ok((await fetch(`http://127.0.0.1:${traffic.adminPort}/ready`)).ok);
    });
    // In its first quiet moment a proxy lets go of the code of its start, which is no matter of traffic.
    report(`${shown(await quietMemory(child.pid!))} at the start`);
    const startedMs = performance.now();
    const until = async (minute: number): Promise<number> => {
      while (performance.now() - startedMs < minute * 60_000) {
        await traffic.turn(secondsOfEach);
        truncateSync(accessLog);
        assert.equal(child.exitCode, null, 'the proxy has ended');
        report(
          `${((performance.now() - startedMs) / 60_000).toFixed(1)} min: ${shown(memory([child.pid!]).uniqueBytes)}`,
        );
      }
      return quietMemory(child.pid!);
    };
    const before = await until(minutes / 6);
    const after = await until(minutes);
    report(`${shown(before)} after ${minutes / 6} minutes, ${shown(after)} after ${minutes}`);
    return after / before;
  } finally {
    // The snapshot of a start may have been run by a shell.
    for (const pid of processTree(child.pid!)) process.kill(pid, 'SIGKILL');
  }
}

const shown = (bytes: number): string => `${(bytes / megabyte).toFixed(1)} MB`;

test(`${minutes} minutes of mixed traffic leave memory as it was`, async (t) => {
  for (const name of ['nginx', 'go', 'wrk', 'h2load'] as const) {
    if (requirePeer(t, name) === undefined) return;
  }
  const grown = await withBed((bed) => growth(bed, (text) => t.diagnostic(text)));
  assert.ok(grown <= allowedGrowth, `memory has grown by ${((grown - 1) * 100).toFixed(1)} %`);
});
