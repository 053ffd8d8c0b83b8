/** The frame of all interoperability tests: every case on Envoy, which proves the test, and on ours. */
import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { type PeerName, requirePeer } from '../../support/peer.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { pending } from './pending.ts';
import { type ProxyName, proxyNames, type RunningProxy, startProxy, type Upstream } from './proxy.ts';

type Hooks = Pick<TestContext, 'after'>;

const caseTimeoutMs = 90_000;

export interface Rig<Of extends Upstream = Upstream> {
  readonly proxy: RunningProxy;
  readonly upstreams: readonly Of[];
  readonly certificates: Certificates;
}

export interface Case<Of extends Upstream, Extra> {
  readonly name: string;
  /** Beside those of the suite. */
  readonly peers: readonly PeerName[];
  run(rig: Rig<Of> & Extra, t: TestContext): Promise<void>;
}

export interface Suite<Of extends Upstream, Extra> {
  readonly name: string;
  /** What every case needs, beside Envoy and openssl. */
  readonly peers: readonly PeerName[];
  /** Servers of all cases, and what else they share. */
  start(t: Hooks): Promise<{ upstreams: readonly Of[] } & Extra>;
  readonly cases: readonly Case<Of, Extra>[];
}

/** The servers and each proxy start with the first case that needs them. */
export function interop<Of extends Upstream, Extra>(suite: Suite<Of, Extra>): void {
  // What starts in a case outlives it: it ends with the file.
  const endings: (() => unknown)[] = [];
  const hooks: Hooks = { after: (fn) => void endings.unshift(fn as () => unknown) };
  after(async () => {
    for (const end of endings) await end();
  });
  let shared: Promise<{ upstreams: readonly Of[] } & Extra> | undefined;
  let certificates: Certificates | undefined;
  for (const name of proxyNames) {
    describe(`${suite.name}, through ${name}`, () => {
      let proxy: Promise<RunningProxy> | undefined;
      const start = async (): Promise<Rig<Of> & Extra> => {
        shared ??= suite.start(hooks);
        certificates ??= makeCertificates(tempDir(hooks));
        const servers = await shared;
        proxy ??= startProxy(hooks, name, servers.upstreams, certificates);
        return { ...servers, proxy: await proxy, certificates };
      };
      for (const one of suite.cases) {
        test(one.name, { timeout: caseTimeoutMs }, async (t) => {
          for (const peer of ['envoy', 'openssl', ...suite.peers, ...one.peers] as const) {
            if (requirePeer(t, peer) === undefined) return;
          }
          await runCase(name, one, await start(), t);
        });
      }
    });
  }
}

async function runCase<Of extends Upstream, Extra>(
  proxy: ProxyName,
  one: Case<Of, Extra>,
  rig: Rig<Of> & Extra,
  t: TestContext,
): Promise<void> {
  const reason = proxy === 'heddle' ? pending[one.name] : undefined;
  if (reason === undefined) return one.run(rig, t);
  await assert.rejects(one.run(rig, t), `it works: "${one.name}" is pending no more`);
  t.diagnostic(`pending: ${reason}`);
}
