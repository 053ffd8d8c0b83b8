/** The rows of the control plane: a mesh of many services, and sidecars that are simulated in another process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { assignmentsOf, type LargeMesh, manifestOf, placeOf, routedServices } from '../support/large-mesh.ts';
import { proxyCore } from './bed.ts';
import { type Rig, type Spread, withRig } from './control/rig.ts';
import { outputOf } from './measure/output.ts';
import { quantile } from './measure/statistics.ts';
import type { Bound, ControlRow, Figure } from './row.ts';

const megabyte = 1024 * 1024;
const figure = (name: string, label: string, digits = 0, per = 1): Figure => ({ name, label, digits, per });
const must = (name: string, most: number): Bound => ({ figure: name, against: 'itself', must: most });

/** Changes of each kind in a round. */
const CHANGES = 40;
/** Changes that come at once. */
const BURST = 1000;

const changeFigures: readonly Figure[] = [
  figure('routesP50Ms', 'routes p50 ms'),
  figure('routesP99Ms', 'routes p99 ms'),
  figure('routesCpuMs', 'routes CPU ms'),
  figure('routesBytes', 'routes bytes a proxy'),
  figure('endpointP50Ms', 'endpoint p50 ms'),
  figure('endpointP99Ms', 'endpoint p99 ms'),
  figure('endpointCpuMs', 'endpoint CPU ms'),
  figure('endpointBytes', 'endpoint bytes a proxy'),
  figure('residentBytes', 'RSS MB', 0, megabyte),
];

interface Changed {
  readonly spreads: readonly Spread[];
  readonly cpuMs: number;
}

let marks = 0;

/** One after the other, each when the one before has reached everybody. */
async function changes(
  rig: Rig,
  resources: (at: number) => number,
  change: (at: number, marker: string) => void,
): Promise<Changed> {
  const spreads: Spread[] = [];
  let cpuMs = 0;
  for (let at = 0; at < CHANGES; at++) {
    const marker = markerOf(++marks);
    const beforeMs = rig.cpuMs();
    spreads.push(await rig.spread(marker, resources(at), () => change(at, marker)));
    cpuMs += rig.cpuMs() - beforeMs;
  }
  return { spreads, cpuMs: cpuMs / CHANGES };
}

const markerOf = (mark: number): string => `10.250.${mark >> 8}.${mark & 0xff}`;

function figuresOf(name: string, { spreads, cpuMs }: Changed): Record<string, number> {
  const sorted = spreads.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  return {
    [`${name}P50Ms`]: quantile(sorted, 0.5),
    [`${name}P99Ms`]: quantile(sorted, 0.99),
    [`${name}CpuMs`]: cpuMs,
    [`${name}Bytes`]: Math.max(...spreads.map(({ bytes }) => bytes)),
  };
}

async function oneByOne(rig: Rig): Promise<Record<string, number>> {
  const routed = routedServices(rig.mesh);
  const routes = await changes(
    rig,
    () => 1,
    (at, marker) => rig.writeRoutes(routed[(at * 7) % routed.length] ?? 0, `'${marker}'`),
  );
  const changing = (at: number): number => (at * 11) % rig.mesh.services;
  const endpoints = await changes(
    rig,
    (at) => assignmentsOf(changing(at)),
    (at, marker) => rig.writePod(changing(at), rig.mesh.endpoints - 1, marker),
  );
  return { ...figuresOf('routes', routes), ...figuresOf('endpoint', endpoints) };
}

/** Instances of as many services as there are, each with another address. */
async function burst(rig: Rig): Promise<Record<string, number>> {
  const { services, endpoints } = rig.mesh;
  const changed = Array.from({ length: BURST }, (_, at) => at % services);
  const resources = [...new Set(changed)].reduce((sum, service) => sum + assignmentsOf(service), 0);
  const before = await rig.metric('pilot_push_triggers');
  const { tookMs } = await rig.spread('10.251.', resources, () => {
    for (const [at, service] of changed.entries())
      rig.writePod(
        service,
        Math.max(0, endpoints - 2 - Math.floor(at / services)),
        `10.251.${at >> 8}.${at & 0xff}`,
      );
  });
  return { burstMs: tookMs, burstPushes: (await rig.metric('pilot_push_triggers')) - before };
}

/** The control plane starts anew, with a change made meanwhile that tells who has come back. */
async function comeBack(rig: Rig): Promise<Record<string, number>> {
  const marker = markerOf(++marks);
  const [service = 0] = routedServices(rig.mesh);
  await rig.stop();
  const { tookMs } = await rig.spread(marker, 1, () => {
    rig.writeRoutes(service, `'${marker}'`);
    return rig.start();
  });
  return { returnMs: tookMs };
}

export async function wholeMesh(mesh: LargeMesh, sidecars: number): Promise<Record<string, number>> {
  return withRig(mesh, async (rig) => {
    const startedMs = performance.now();
    await rig.start();
    const startMs = performance.now() - startedMs;
    const connectMs = await rig.connect(sidecars);
    const found = { startMs, connectMs, ...(await oneByOne(rig)), ...(await burst(rig)) };
    const residentBytes = rig.residentBytes();
    return { ...found, residentBytes, ...(await comeBack(rig)) };
  });
}

export async function costOfChange(mesh: LargeMesh, sidecars: number): Promise<Record<string, number>> {
  return withRig(mesh, async (rig) => {
    await rig.start();
    await rig.connect(sidecars);
    const found = await oneByOne(rig);
    return { ...found, residentBytes: rig.residentBytes() };
  });
}

/** `heddle validate` of ten thousand documents, from the process spawned to its end. */
async function documents(): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-documents-'));
  try {
    let count = 0;
    for (let service = 0; count < 10_000; service++) {
      const text = manifestOf(service);
      count += text.split('\n---\n').length;
      writeFileSync(join(folder, `${placeOf(service).name}.yaml`), text);
    }
    const heddle = resolve(import.meta.dirname, '../../bin/heddle');
    const startedMs = performance.now();
    await outputOf('taskset', ['-c', String(proxyCore), heddle, 'validate', folder]);
    return { validateMs: performance.now() - startedMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const curve = [100, 1000, 5000].map(
  (services): ControlRow => ({
    kind: 'control',
    name: `control-${services}`,
    title: `one change after the other among ${services} services of 10 endpoints, with 50 sidecars`,
    figures: changeFigures,
    bounds: [],
    leftOut: {},
    ask: () => costOfChange({ services, endpoints: 10 }, 50),
  }),
);

export const controlRows: readonly ControlRow[] = [
  {
    kind: 'control',
    name: 'control-mesh',
    title: '1,000 services of 10 endpoints, 500 sidecars: from a file written to the last answer',
    figures: [
      ...changeFigures,
      figure('burstMs', 'burst ms'),
      figure('burstPushes', 'pushes of a burst'),
      figure('startMs', 'start ms'),
      figure('connectMs', 'connect ms'),
      figure('returnMs', 'return ms'),
    ],
    bounds: [
      must('routesP99Ms', 500),
      must('routesBytes', 8 * 1024),
      must('endpointP99Ms', 200),
      must('returnMs', 10_000),
      must('residentBytes', 600 * megabyte),
    ],
    leftOut: {},
    ask: () => wholeMesh({ services: 1000, endpoints: 10 }, 500),
  },
  ...curve,
  {
    kind: 'control',
    name: 'control-documents',
    title: '`heddle validate` of 10,000 documents in a folder, from the process spawned to its end',
    figures: [figure('validateMs', 'ms')],
    bounds: [must('validateMs', 3000)],
    leftOut: {},
    ask: documents,
  },
];
