/** One run of a scenario with one proxy: the bed, the load, and each fault at its time. */
import { setTimeout as wait } from 'node:timers/promises';
import { freePorts } from '../../bench/process.ts';
import { type DnsBackend, dns } from '../../interop/envoy/backend/dns.ts';
import { bootstrapOf, dnsName, type Places, resourcesOf } from './bootstrap.ts';
import { ControlPlane } from './control-plane.ts';
import { connectionStorm, type Load, type Sample, slowReaders, startLoad } from './load.ts';
import { type Command, startProxy } from './proxy.ts';
import type { Fault, Scenario } from './scenario.ts';
import { startUpstreams, type Upstream } from './upstreams.ts';

/** Connections are made and code is compiled before anything counts: the rows are about proxies that have run for a while. */
const warmUp = { seconds: 3, times: 5 };

/** Of what a proxy does by a timer: at which point of it a fault comes is chance, and another one in every run. */
const longestPeriodMs = 500;

interface Bed {
  readonly upstreams: readonly Upstream[];
  readonly resolver: DnsBackend;
  readonly control: ControlPlane;
  readonly port: number;
}

/** Rejects where the proxy itself ends. @param folder for its files */
export async function runScenario(scenario: Scenario, command: Command, folder: string): Promise<Sample[]> {
  const upstreams = await startUpstreams(scenario);
  const right = upstreams.map(({ host }) => host);
  const resolver = (await dns({ [dnsName]: right })('dns', () => Promise.reject())) as DnsBackend;
  const [listenPort = 0] = await freePorts(1);
  const places: Places = { upstreams, dnsPort: resolver.port, controlPort: 0, listenPort };
  const control = new ControlPlane((revision) => resourcesOf(scenario, places, revision));
  const release = [() => resolver.close(), ...upstreams.map((upstream) => () => upstream.kill())];
  try {
    if (scenario.discovery === 'ads') {
      await control.start();
      release.push(async () => control.close());
    }
    const bootstrap = bootstrapOf(scenario, { ...places, controlPort: control.port });
    const proxy = await startProxy(command, folder, JSON.stringify(bootstrap));
    release.unshift(proxy.stop);
    const bed: Bed = { upstreams, resolver, control, port: proxy.port };
    await wait(Math.random() * longestPeriodMs);
    const load = startLoad({
      ...scenario.load,
      port: proxy.port,
      warmUp: { seconds: warmUp.seconds, perSecond: scenario.load.perSecond * warmUp.times },
      failed: scenario.failed,
      surplus: (atMs) => surplusAt(scenario, atMs),
    });
    await Promise.all(scenario.faults.map((fault) => inflict(fault, bed, right, load)));
    const samples = await load.samples;
    const said = proxy.over();
    if (said !== undefined) throw new Error(`the proxy has ended: ${said}`);
    return samples;
  } finally {
    for (const free of release) await free();
  }
}

function surplusAt({ faults }: Scenario, atMs: number): number {
  return faults.reduce(
    (sum, fault) =>
      fault.kind === 'clients' && fault.mode === 'burst' && within(fault, atMs) ? sum + fault.count : sum,
    0,
  );
}

const within = ({ fromSeconds, untilSeconds }: Fault, atMs: number): boolean =>
  atMs >= fromSeconds * 1000 && atMs < untilSeconds * 1000;

async function inflict(fault: Fault, bed: Bed, right: readonly string[], load: Load): Promise<void> {
  const until = (seconds: number): Promise<void> =>
    wait(Math.max(0, load.beginsMs + seconds * 1000 - performance.now()));
  await until(fault.fromSeconds);
  const heal = await begin(fault, bed, right);
  await until(fault.untilSeconds);
  await heal();
}

/** Resolves to what ends it. */
async function begin(fault: Fault, bed: Bed, right: readonly string[]): Promise<() => void | Promise<void>> {
  const { upstreams, resolver, control, port } = bed;
  const each = async (does: (upstream: Upstream) => void | Promise<void>): Promise<void> => {
    const chosen = 'backends' in fault ? fault.backends : [];
    await Promise.all(chosen.map((at) => does(upstreams[at]!)));
  };
  switch (fault.kind) {
    case 'kill':
      await each((upstream) => upstream.kill());
      return () => each((upstream) => upstream.start());
    case 'stop':
      await each((upstream) => upstream.signal('SIGSTOP'));
      return () => each((upstream) => upstream.signal('SIGCONT'));
    case 'upstream':
      await each((upstream) => upstream.obey(fault));
      return () => each((upstream) => upstream.obey(undefined));
    case 'dns':
      resolver.tell(dnsName, fault.told, 1);
      return () => resolver.tell(dnsName, right, 1);
    case 'control':
      await control.fail(fault.mode, fault.everyMs);
      return () => control.fail(undefined);
    case 'clients':
      return clients(fault, port);
  }
}

function clients(fault: Extract<Fault, { kind: 'clients' }>, port: number): () => void {
  const { mode, count, times = 1, bytesPerSecond = 0, fromSeconds, untilSeconds } = fault;
  if (mode === 'burst') return () => {};
  if (mode === 'slow-readers') return slowReaders(port, count, bytesPerSecond);
  const ends = [connectionStorm(port, count)];
  const timer = setInterval(
    () => {
      if (ends.length < times) ends.push(connectionStorm(port, count));
    },
    ((untilSeconds - fromSeconds) * 1000) / times,
  );
  return () => {
    clearInterval(timer);
    for (const end of ends) end();
  };
}
