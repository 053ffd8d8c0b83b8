/** A CA on a real TLS port, without the rest of a control plane. */
import type { TestContext } from 'node:test';
import { type Authority, createAuthority, DEFAULT_LIFE_MS, MAX_LIFE_MS } from '#control/ca/authority.ts';
import { certificateMetrics } from '#control/ca/certificate-metrics.ts';
import { type JoinTokens, joinTokens } from '#control/ca/join-token.ts';
import { loadOrCreateRoot } from '#control/ca/root.ts';
import { certificateService } from '#control/ca/service.ts';
import { authenticator } from '#control/serve/caller.ts';
import { openPorts } from '#control/serve/ports.ts';
import { trustBundle } from '#identity/trust-bundle.ts';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';

export interface TestAuthority {
  /** `host:port` of the TLS port. */
  readonly address: string;
  readonly rootPem: string;
  readonly authority: Authority;
  readonly tokens: JoinTokens;
  close(): Promise<void>;
}

export interface TestAuthorityOptions {
  readonly stateFolder: string;
  readonly trustDomain?: string;
  readonly nowMs?: () => number;
  /** 0: any free port. */
  readonly tlsPort?: number;
}

/** Closed when the test ends, if the test did not do so before. */
export async function startAuthority(
  t: Pick<TestContext, 'after'>,
  { stateFolder, trustDomain = 'cluster.local', nowMs = Date.now, tlsPort = 0 }: TestAuthorityOptions,
): Promise<TestAuthority> {
  const root = await loadOrCreateRoot(stateFolder, trustDomain, nowMs());
  const authority = await createAuthority({
    trustDomain,
    root,
    nowMs,
    defaultLifeMs: DEFAULT_LIFE_MS,
    maxLifeMs: MAX_LIFE_MS,
  });
  const tokens = joinTokens(`${stateFolder}/ca/tokens`, nowMs);
  const metrics = certificateMetrics(new Metrics());
  const callers = authenticator(trustBundle(trustDomain, root.certificatePem), tokens, nowMs);
  const ports = await openPorts({
    host: '127.0.0.1',
    plaintextPort: 0,
    tlsPort,
    plaintextServices: [],
    tlsServices: [certificateService({ authority, authenticator: callers, log: silentLogger, metrics })],
    authority,
    log: silentLogger,
    nowMs,
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= ports.close();
    return closing;
  };
  t.after(close);
  return { address: `127.0.0.1:${ports.tlsPort}`, rootPem: root.certificatePem, authority, tokens, close };
}
