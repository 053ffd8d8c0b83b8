/** The rows that ask each contender something, afresh in every round. */
import { bedSetup, startContender } from './contender.ts';
import { median } from './measure/statistics.ts';
import type { Bound, Figure, Question, QuestionRow } from './row.ts';
import { clusterMemory, furtherSidecar, idleConnectionMemory, idleWakeups } from './sidecar/questions.ts';
import { stall, storm } from './sidecar/stall.ts';

const megabyte = 1024 * 1024;
const own: Figure = { name: 'uniqueBytes', label: 'own MB', digits: 1, per: megabyte };
const resident: Figure = { name: 'residentBytes', label: 'RSS MB', digits: 1, per: megabyte };
const added: readonly Figure[] = [
  { name: 'addedBytes', label: 'added MB', digits: 1, per: megabyte },
  { name: 'connectionBytes', label: 'KB a connection', digits: 2, per: 1024 },
];
const ownBounds = (must: number, reach: number): Bound[] => [
  { figure: 'uniqueBytes', against: 'envoy', must, reach },
];

const noSidecar = {
  nginx: 'it is no sidecar: nothing configures it over xDS',
  haproxy: 'it is no sidecar: nothing configures it over xDS',
  direct: 'there is no proxy',
};

/** Starts of one round; the median counts. */
const startsOfRound = 5;

async function startToReady({ name, bed }: Question): Promise<Record<string, number>> {
  const startsMs: number[] = [];
  for (let at = 0; at < startsOfRound; at++) {
    const contender = await startContender(name, bedSetup(bed), bed);
    startsMs.push(contender.startMs);
    await contender.stop();
  }
  return { startMs: median(startsMs) };
}

const stallFigures: readonly Figure[] = [
  { name: 'longestMs', label: 'longest ms', digits: 1 },
  { name: 'quietMs', label: 'before ms', digits: 1 },
  { name: 'tookMs', label: 'accepted after ms', digits: 0 },
];
const stallBound: Bound = { figure: 'longestMs', against: 'itself', must: 10 };

export const questionRows: readonly QuestionRow[] = [
  {
    kind: 'question',
    name: 'start-ready',
    title: 'from the process spawned to the first answer through it, with a file of one listener',
    figures: [{ name: 'startMs', label: 'start ms', digits: 0 }],
    bounds: [{ figure: 'startMs', against: 'itself', must: 300, reach: 100 }],
    leftOut: { direct: 'there is no proxy' },
    ask: startToReady,
  },
  {
    kind: 'question',
    name: 'further-sidecar',
    title: 'memory that a further sidecar adds to a host with three running, idle, 20 services by ADS',
    figures: [own, resident],
    bounds: ownBounds(1.2, 0.8),
    leftOut: noSidecar,
    ask: furtherSidecar,
  },
  {
    kind: 'question',
    name: 'idle-5000',
    title: 'the same with 5,000 idle connections, plaintext',
    figures: [own, ...added, resident],
    bounds: ownBounds(1.0, 0.7),
    leftOut: noSidecar,
    ask: idleConnectionMemory(false),
  },
  {
    kind: 'question',
    name: 'idle-5000-mtls',
    title: 'the same with 5,000 idle connections, mutual TLS',
    figures: [own, ...added, resident],
    bounds: ownBounds(1.5, 1.2),
    leftOut: noSidecar,
    ask: idleConnectionMemory(true),
  },
  {
    kind: 'question',
    name: 'clusters-idle',
    title: 'memory of 2,000 clusters as a mesh has them, by ADS, that nobody sends anything to',
    figures: [{ name: 'clusterBytes', label: 'KB a cluster', digits: 1, per: 1024 }, own, resident],
    bounds: [{ figure: 'clusterBytes', against: 'itself', must: 8 * 1024, reach: 4 * 1024 }],
    leftOut: noSidecar,
    ask: clusterMemory,
  },
  {
    kind: 'question',
    name: 'idle-wakeups',
    title: 'context switches a second of all threads of an idle sidecar',
    figures: [{ name: 'wakeupsPerSecond', label: 'wake-ups/s', digits: 1 }],
    bounds: [{ figure: 'wakeupsPerSecond', against: 'itself', must: 5 }],
    leftOut: noSidecar,
    ask: idleWakeups,
  },
  {
    kind: 'question',
    name: 'stall-clusters',
    title: 'longest wait of requests due every millisecond while 1,000 clusters come by ADS',
    figures: stallFigures,
    bounds: [stallBound],
    leftOut: noSidecar,
    ask: stall({ clusters: 1000, hosts: 1 }),
  },
  {
    kind: 'question',
    name: 'stall-hosts',
    title: 'the same while a cluster gets 5,000 hosts',
    figures: stallFigures,
    bounds: [stallBound],
    leftOut: noSidecar,
    ask: stall({ clusters: 0, hosts: 5000 }),
  },
  ...(['RING_HASH', 'MAGLEV'] as const).map(
    (policy): QuestionRow => ({
      kind: 'question',
      name: `build-${policy.toLowerCase().replace('_', '-')}`,
      title: `the same while a cluster that balances by ${policy} gets 1,000 hosts`,
      figures: stallFigures,
      bounds: [stallBound],
      leftOut: noSidecar,
      ask: stall({ clusters: 0, hosts: 1000, policy }),
    }),
  ),
  {
    kind: 'question',
    name: 'storm',
    title: 'the same while 100 clusters and 100 hosts come and go every 50 ms; a request that fails ends it',
    figures: stallFigures.filter(({ name }) => name !== 'tookMs'),
    bounds: [stallBound],
    leftOut: noSidecar,
    ask: storm,
  },
];
