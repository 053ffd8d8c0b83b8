/**
 * How long questions to the DNS of a sidecar take at a fixed rate, alone and beside requests of its Pod, in a captured
 * mesh; and beside them the same questions to dnsmasq, in the same Pod, in turns:
 * `node test/bench/dns.ts [--rounds 5] [--seconds 5] [--rate 5000] [--names 1000] [--requests 1000]`.
 * dnsperf asks; the requests are fortio's, through both sidecars.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type CapturedPrograms,
  ownApplication,
  startCapturedPrograms,
} from '../support/captured-programs.ts';
import { eventually } from '../support/eventually.ts';
import { findPeer, type PeerName } from '../support/peer.ts';
import { workload } from '../support/small-mesh.ts';
import { quantile, quartiles } from './measure/statistics.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    /** Questions a second. */
    rate: { type: 'string', default: '5000' },
    /** Services that are asked for. */
    names: { type: 'string', default: '1000' },
    /** A second, of the data path beside. */
    requests: { type: 'string', default: '1000' },
  },
});
const [rounds, seconds, rate, names, requests] = [
  values.rounds,
  values.seconds,
  values.rate,
  values.names,
  values.requests,
].map(Number) as [number, number, number, number, number];

const OTHER_PORT = 5399;
const WARM_UP_SECONDS = 3;
const hosts = Array.from({ length: names }, (_, i) => `service-${i}`);
const fullName = (host: string): string => `${host}.default.svc.cluster.local`;
const addressOf = (i: number): string => `10.96.${100 + (i >> 8)}.${i & 255}`;

function peer(name: PeerName): string {
  const found = findPeer(name);
  if (found === undefined) throw new Error(`${name} is not installed: npm run peers ${name}`);
  return found;
}

/** Milliseconds. */
interface Answered {
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
}

/** Of the servers that are compared, the words of dnsperf that name them. */
const servers = {
  heddle: (nameserver: string) => ['-s', nameserver],
  dnsmasq: () => ['-s', '127.0.0.1', '-p', String(OTHER_PORT)],
} as const;
type ServerName = keyof typeof servers;

const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
const questions = join(folder, 'questions');
const others = join(folder, 'hosts');
writeFileSync(questions, hosts.map((host) => `${fullName(host)} A\n`).join(''));
writeFileSync(others, hosts.map((host, i) => `${addressOf(i)} ${fullName(host)}\n`).join(''));
const documents = hosts
  .map((host, i) =>
    [
      '',
      'apiVersion: v1',
      'kind: Service',
      `metadata: {name: ${host}}`,
      `spec: {clusterIP: ${addressOf(i)}, selector: {app: store}, ports: [{name: http, port: 80}]}`,
      '---',
    ].join('\n'),
  )
  .join('');
const store = workload({
  name: 'store',
  ports: '[{name: http, port: 9080, targetPort: 8080}]',
  container: 'image: store:1\nports: [{containerPort: 8080}]',
});
let mesh: CapturedPrograms | undefined;
try {
  mesh = await startCapturedPrograms(
    { 'store:1': ownApplication('witness.ts') },
    `${documents}${store}`,
    folder,
  );
  await measure(mesh);
} finally {
  await mesh?.stop();
}
rmSync(folder, { recursive: true, force: true });

async function measure({ run, attempt }: CapturedPrograms): Promise<void> {
  const nameserver = /^nameserver (\S+)/m.exec(await run(['cat', '/etc/resolv.conf']))![1]!;
  const ask = async (server: ServerName, forSeconds: number): Promise<Answered> => {
    const output = join(folder, 'answers');
    const limits = ['-Q', String(rate), '-l', String(forSeconds), '-c', '4', '-T', '1', '-v'];
    const words = [peer('dnsperf'), ...servers[server](nameserver), '-d', questions, ...limits];
    await run(['sh', '-c', `exec "$@" > ${output}`, 'sh', ...words]);
    return read(readFileSync(output, 'utf8'));
  };
  const load = (): Promise<unknown> => {
    const limits = ['-qps', String(requests), '-c', '8', '-t', `${seconds + 1}s`, '-quiet'];
    return run([peer('fortio'), 'load', ...limits, 'http://store:9080/']);
  };
  const isolated = ['-k', '-h', '-R', '-C', '/dev/null', '-u', 'root', '--bind-interfaces', '-x', ''];
  const where = ['--listen-address=127.0.0.1', '-p', String(OTHER_PORT), '-H', others];
  // The one who runs programs ends each after half a minute.
  const dnsmasq = async (): Promise<() => Promise<unknown>> => {
    const pid = join(folder, 'dnsmasq.pid');
    const words = [peer('dnsmasq'), ...isolated, ...where];
    const ended = attempt(['sh', '-c', `echo $$ > ${pid}; exec "$@"`, 'sh', ...words]);
    await eventually(() => run([peer('dig'), '@127.0.0.1', '-p', String(OTHER_PORT), fullName(hosts[0]!)]));
    return async () => {
      await run(['sh', '-c', `kill $(cat ${pid})`]);
      return await ended;
    };
  };
  const measured = new Map<string, Answered[]>();
  const note = (name: string, one: Answered): void => {
    measured.set(name, [...(measured.get(name) ?? []), one]);
  };
  // The first seconds belong to the compiler.
  await ask('heddle', WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    const order: ServerName[] = round % 2 === 0 ? ['heddle', 'dnsmasq'] : ['dnsmasq', 'heddle'];
    for (const server of order) {
      const stop = server === 'dnsmasq' ? await dnsmasq() : undefined;
      note(`${server}, alone`, await ask(server, seconds));
      const beside = load();
      note(`${server}, beside ${requests} requests/s`, await ask(server, seconds));
      await beside;
      await stop?.();
    }
  }
  for (const [name, found] of [...measured].sort(([a], [b]) => a.localeCompare(b))) {
    const lost = found.reduce((sum, one) => sum + one.lost, 0);
    console.log(
      `${name}: p50 ${spread(found.map((one) => one.p50))} ms, p99 ${spread(found.map((one) => one.p99))} ms` +
        `${lost > 0 ? `, ${lost} without an answer` : ''}`,
    );
  }
}

function read(output: string): Answered {
  const took = output.match(/^> NOERROR .* [\d.]+$/gm) ?? [];
  const timesMs = Float64Array.from(took, (line) => Number(line.slice(line.lastIndexOf(' '))) * 1000).sort();
  const total = rate > 0 ? Number(/Queries sent:\s+(\d+)/.exec(output)?.[1] ?? Number.NaN) : Number.NaN;
  return { p50: quantile(timesMs, 0.5), p99: quantile(timesMs, 0.99), lost: total - timesMs.length };
}

function spread(found: readonly number[]): string {
  const { q1, median, q3 } = quartiles(found);
  return `${median.toFixed(2)} (${q1.toFixed(2)}–${q3.toFixed(2)})`;
}
