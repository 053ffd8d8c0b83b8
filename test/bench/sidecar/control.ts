/** A control plane for the sidecars of the benchmark, in this process: what each is sent is set by its node id. */
import type { ProxyStatus } from '#api/contract.ts';
import { startControlPlane } from '#app/control-plane.ts';
import { silentLogger } from '#observe/log.ts';
import { type EncodedResource, snapshotOf } from '#xds/snapshot.ts';

export interface Control {
  readonly port: number;
  set(nodeId: string, resources: readonly EncodedResource[]): void;
  /** Sets what has other endpoints than before; resolves when the proxy has accepted it. */
  update(nodeId: string, resources: readonly EncodedResource[], timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

export async function startControl(stateFolder: string): Promise<Control> {
  const wanted = new Map<string, readonly EncodedResource[]>();
  const plane = await startControlPlane({
    stateFolder,
    trustDomain: 'cluster.local',
    host: '127.0.0.1',
    ports: { plaintext: 0, tls: 0, api: 0 },
    name: 'bench',
    source: {
      ready: () => true,
      snapshot: ({ id }, previous) => snapshotOf(wanted.get(id) ?? [], previous),
      serviceAccountOf: () => undefined,
    },
    report: () => ({
      resources: [],
      problems: [],
      allowedUnsupported: [],
      loadedAt: new Date().toISOString(),
    }),
    log: silentLogger,
  });
  const statusOf = async (id: string): Promise<ProxyStatus | undefined> => {
    const response = await fetch(`http://127.0.0.1:${plane.ports.api}/debug/syncz`);
    return ((await response.json()) as ProxyStatus[]).find(({ nodeId }) => nodeId === id);
  };
  const set = (nodeId: string, resources: readonly EncodedResource[]): void => {
    wanted.set(nodeId, resources);
    plane.changed();
  };
  return {
    port: plane.ports.plaintext,
    set,
    async update(nodeId, resources, timeoutMs): Promise<void> {
      const before = (await statusOf(nodeId))?.types.EDS.version ?? '';
      set(nodeId, resources);
      await untilAccepted(() => statusOf(nodeId), before, timeoutMs);
    },
    close: () => plane.close(),
  };
}

const everyMs = 20;

/** @param before version of all endpoints that is to be left behind. */
async function untilAccepted(
  status: () => Promise<ProxyStatus | undefined>,
  before: string,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const types = (await status())?.types;
    for (const [service, type] of Object.entries(types ?? {})) {
      if (type.error !== undefined) throw new Error(`it refuses ${service}: ${type.error}`);
    }
    const { CDS, EDS } = types ?? {};
    const synced = CDS?.state === 'SYNCED' && EDS?.state === 'SYNCED';
    if (synced && EDS.version !== before) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`not accepted within ${timeoutMs} ms: ${JSON.stringify({ CDS, EDS })}`);
    }
    await new Promise((done) => setTimeout(done, everyMs));
  }
}
