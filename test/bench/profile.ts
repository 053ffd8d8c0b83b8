/** Where Heddle's CPU time goes under the load of a row: V8's samples, by the part of the source they fell in. */
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Bed, withBed } from './bed.ts';
import { startContender } from './contender.ts';
import { setupOf } from './load-run.ts';
import { runRound } from './round.ts';
import type { LoadRow } from './row.ts';

/** What V8 writes with `--cpu-prof`. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

/** Shares of the time the thread was busy, 0..1, the greatest first. */
export interface Profile {
  readonly areas: readonly Share[];
  readonly modules: readonly Share[];
  /** CPU time a unit, and the kernel's part of it, in microseconds, while it was sampled. */
  readonly cpuUs: number;
  readonly systemUs: number;
}

export interface Share {
  readonly name: string;
  readonly share: number;
}

const bundle = resolve(import.meta.dirname, '../../dist/lib/proxy.js');
/** What the loader of the bundle puts before its first line. */
const prologue = '(function (require) {'.length;

/** The first load warms up; the whole life of the process is sampled. */
export async function profileRow(row: LoadRow, seconds: number): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-profile-'));
  try {
    const { pids, cpuUs, systemUs } = await withBed((bed) => sample(row, seconds, folder, bed));
    const times = new Map<string, number>();
    // Its own processes alone, and not what they may have started.
    for (const pid of pids)
      for (const file of globSync(join(folder, `CPU.*.${pid}.*`))) addTimes(file, times);
    return { ...sharesOf(times), cpuUs, systemUs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sample(
  row: LoadRow,
  seconds: number,
  folder: string,
  bed: Bed,
): Promise<{ pids: readonly number[]; cpuUs: number; systemUs: number }> {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `${before ?? ''} --cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${folder}`;
  try {
    const contender = await startContender('heddle', setupOf('heddle', row, bed), bed);
    try {
      await runRound(row, contender, bed, 1);
      return { pids: contender.pids, ...(await runRound(row, contender, bed, seconds)) };
    } finally {
      await contender.stop();
    }
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

function addTimes(file: string, times: Map<string, number>): void {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;
  const map = new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, 'utf8')));
  const names = new Map(profile.nodes.map((node) => [node.id, placeOf(node, map)]));
  for (const [at, id] of profile.samples.entries()) {
    const name = names.get(id)!;
    times.set(name, (times.get(name) ?? 0) + profile.timeDeltas[at]!);
  }
}

/** The module of the source, or what else was running. */
function placeOf({ callFrame }: ProfileNode, map: SourceMap): string {
  const { functionName, url, lineNumber, columnNumber } = callFrame;
  if (url.startsWith('node:')) return url;
  if (!url.endsWith('/lib/proxy.js')) {
    return functionName.startsWith('(') ? functionName : 'system calls and other native functions';
  }
  const entry = map.findEntry(lineNumber, columnNumber - (lineNumber === 0 ? prologue : 0));
  const source = 'originalSource' in entry ? entry.originalSource : '';
  return source.replace(/^(?:\.\.\/)+/, '') || 'the bundle';
}

/** `src/http/codec/h1` of `src/http/codec/h1/decoder.ts`; libraries by their package. */
function areaOf(place: string): string {
  if (place.startsWith('node:')) return 'Node';
  if (!place.includes('/')) return place;
  return place.split('/').slice(0, -1).slice(0, 4).join('/');
}

function sharesOf(times: ReadonlyMap<string, number>): { areas: Share[]; modules: Share[] } {
  const busy = new Map([...times].filter(([name]) => name !== '(idle)' && name !== '(root)'));
  const total = [...busy.values()].reduce((sum, us) => sum + us, 0);
  const areas = new Map<string, number>();
  for (const [name, us] of busy) areas.set(areaOf(name), (areas.get(areaOf(name)) ?? 0) + us);
  const sorted = (all: ReadonlyMap<string, number>): Share[] =>
    [...all].map(([name, us]) => ({ name, share: us / total })).sort((a, b) => b.share - a.share);
  return { areas: sorted(areas), modules: sorted(busy) };
}

/** As text: areas above half a percent, and the modules that take most. */
export function profileText(row: LoadRow, { areas, modules, cpuUs, systemUs }: Profile): string {
  const line = ({ name, share }: Share): string => `${(share * 100).toFixed(1).padStart(6)} %  ${name}`;
  const modulesShown = modules.filter(({ name }) => /[/:]/.test(name)).slice(0, 15);
  return [
    `${row.name}: ${cpuUs.toFixed(1)} µs CPU a ${row.unit} while sampled, ${systemUs.toFixed(1)} of them in the kernel`,
    ...areas.filter(({ share }) => share >= 0.005).map(line),
    'modules:',
    ...modulesShown.map(line),
  ].join('\n');
}
