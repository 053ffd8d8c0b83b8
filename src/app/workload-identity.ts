/**
 * The life of a workload's certificate: first obtained with a join token, then renewed with itself
 * at half its life. Used by every process that speaks for a workload (sidecar, gateway, agent).
 * The private key is made here, anew for each certificate, and never sent.
 */
import type { KeyObject } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { certificateFacts, certificatesFromPem, spiffeIdOf } from '#identity/certificate.ts';
import { verifyChain } from '#identity/peer.ts';
import { createSigningRequest, generateKeyPair, privateKeyPem } from '#identity/signing-request.ts';
import { parseSpiffeId, type SpiffeId } from '#identity/spiffe-id.ts';
import { trustBundle, trustBundles } from '#identity/trust-bundle.ts';
import type { Logger } from '#observe/log.ts';
import { type Credential, RequestRefused, requestCertificate } from './certificate-client.ts';

export interface WorkloadIdentityOptions {
  /** `host:port` of the control plane's TLS port (15012). */
  readonly controlAddress: string;
  /** Roots the control plane's certificate must end in. */
  readonly rootCaPem: string;
  /** A join token not used yet; asked for the first certificate and after one ran out. Undefined: none to be had. */
  readonly tokenSource: () => Promise<string | undefined>;
  /** Such as `spiffe://cluster.local/ns/default/sa/reviews`; what the control plane gives must be this. */
  readonly spiffeId: string;
  /** Wanted life; the control plane bounds it. Absent: its default. */
  readonly ttlSeconds?: number;
  /** Still good, where another process had it before this one. */
  readonly held?: WorkloadCertificate | undefined;
  readonly log: Logger;
  /** Wall clock; absent: `Date.now`. */
  readonly nowMs?: () => number;
}

/** PEM texts of one certificate in force. */
export interface WorkloadCertificate {
  /** Leaf first, without the root. */
  readonly certificateChainPem: string;
  /** PKCS #8. Never log it. */
  readonly privateKeyPem: string;
  readonly rootCaPem: string;
  readonly notAfterMs: number;
}

/** `obtain` after each certificate, `rotate` after each but the first. */
interface IdentityEvents {
  obtain: [WorkloadCertificate];
  rotate: [WorkloadCertificate];
}

export interface WorkloadIdentity extends EventEmitter<IdentityEvents> {
  /**
   * Resolves with the first certificate in hand. While the control plane is away it keeps trying;
   * rejects where it refuses the token (a new process with a new token is needed), and on `stop`.
   */
  start(): Promise<void>;
  /** Throws a plain `Error` before `start` resolved. */
  current(): WorkloadCertificate;
  /** Ends renewal; what is in force stays readable. */
  stop(): void;
}

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 15_000;
/** Renewal starts at this share of the life, give or take {@link RENEWAL_SPREAD}. */
const RENEWAL_RATIO = 0.5;
/** So that workloads started together do not renew together. */
const RENEWAL_SPREAD = 0.05;
/** `setTimeout` holds 31 bits; a longer wait goes in steps. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function createWorkloadIdentity(options: WorkloadIdentityOptions): WorkloadIdentity {
  const id = parseSpiffeId(options.spiffeId);
  if (id === undefined) throw new Error(`"${options.spiffeId}" is not a SPIFFE id`);
  return new RenewedIdentity(options, id);
}

class RenewedIdentity extends EventEmitter<IdentityEvents> implements WorkloadIdentity {
  readonly #options: WorkloadIdentityOptions;
  readonly #id: SpiffeId;
  readonly #nowMs: () => number;
  readonly #stopping = new AbortController();
  #certificate: WorkloadCertificate | undefined;
  /** Read and not answered yet: a source may give it once only, and the control plane may be away. */
  #token: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkloadIdentityOptions, id: SpiffeId) {
    super();
    this.#options = options;
    this.#id = id;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  async start(): Promise<void> {
    const { held } = this.#options;
    if (held !== undefined && held.notAfterMs > this.#nowMs()) {
      this.#adopt(held);
      return;
    }
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, MAX_RETRY_MS)) {
      try {
        this.#adopt(await this.#obtain());
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted || error instanceof RequestRefused) throw error;
        this.#options.log.warn('identity.no-certificate-yet', { error: textOf(error), retryMs: waitMs });
        await this.#pause(waitMs);
      }
    }
  }

  current(): WorkloadCertificate {
    if (this.#certificate === undefined) throw new Error('this workload has no certificate yet');
    return this.#certificate;
  }

  stop(): void {
    this.#stopping.abort(new Error('the workload identity was stopped'));
    clearTimeout(this.#timer);
  }

  #adopt(certificate: WorkloadCertificate): void {
    const first = this.#certificate === undefined;
    this.#certificate = certificate;
    this.#token = undefined;
    const lifeMs = certificate.notAfterMs - this.#nowMs();
    const ratio = RENEWAL_RATIO + (Math.random() * 2 - 1) * RENEWAL_SPREAD;
    this.#renewAt(this.#nowMs() + lifeMs * ratio, FIRST_RETRY_MS);
    this.emit('obtain', certificate);
    if (!first) this.emit('rotate', certificate);
  }

  /** @param retryMs to wait if that try fails. */
  #renewAt(timeMs: number, retryMs: number): void {
    if (this.#stopping.signal.aborted) return;
    const waitMs = Math.max(0, timeMs - this.#nowMs());
    this.#timer = setTimeout(
      () => {
        if (timeMs > this.#nowMs()) this.#renewAt(timeMs, retryMs);
        else void this.#renew(retryMs);
      },
      Math.min(waitMs, MAX_TIMER_MS),
    );
  }

  async #renew(retryMs: number): Promise<void> {
    try {
      const certificate = await this.#obtain();
      if (this.#stopping.signal.aborted) return;
      this.#adopt(certificate);
      this.#options.log.info('identity.renewed', { until: new Date(certificate.notAfterMs).toISOString() });
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const leftSeconds = Math.round((this.current().notAfterMs - this.#nowMs()) / 1000);
      const level = leftSeconds > 0 ? 'warn' : 'error';
      this.#options.log[level]('identity.not-renewed', { error: textOf(error), leftSeconds, retryMs });
      if (error instanceof RequestRefused) this.#token = undefined;
      this.#renewAt(this.#nowMs() + retryMs, Math.min(retryMs * 2, MAX_RETRY_MS));
    }
  }

  async #obtain(): Promise<WorkloadCertificate> {
    const { controlAddress, rootCaPem, ttlSeconds = 0 } = this.#options;
    const credential = await this.#credential();
    const keys = await generateKeyPair();
    const chain = await requestCertificate({
      address: controlAddress,
      rootCaPem: this.#certificate?.rootCaPem ?? rootCaPem,
      credential,
      csr: createSigningRequest(keys, this.#id),
      validitySeconds: ttlSeconds,
      signal: this.#stopping.signal,
    });
    return this.#accept(chain, keys.privateKey);
  }

  /** A certificate that is still good; else a token. */
  async #credential(): Promise<Credential> {
    const held = this.#certificate;
    if (held !== undefined && held.notAfterMs > this.#nowMs()) return { kind: 'certificate', ...held };
    this.#token ??= await this.#options.tokenSource();
    const token = this.#token;
    if (token === undefined) throw new RequestRefused('there is no join token to ask for a certificate with');
    return { kind: 'token', token };
  }

  /** Takes what the CA answered only if it is ours and ends in the root that came with it. */
  #accept(chain: readonly string[], key: KeyObject): WorkloadCertificate {
    const certificates = certificatesFromPem(chain.join('\n'));
    const [leaf] = certificates;
    const root = certificates.at(-1);
    if (leaf === undefined || root === undefined) throw new Error('the control plane sent no certificate');
    if (!leaf.checkPrivateKey(key)) throw new Error('the control plane sent a certificate for another key');
    const named = spiffeIdOf(leaf)?.uri;
    if (named !== this.#id.uri) {
      throw new RequestRefused(
        `the control plane knows this workload as ${named ?? 'nobody'}, not as ${this.#id.uri}`,
      );
    }
    const sentRoot = certificates.length > 1 && root.ca && root.checkIssued(root);
    const rootCaPem = sentRoot ? root.toString() : this.#options.rootCaPem;
    const verdict = verifyChain(
      leaf,
      trustBundles(trustBundle(this.#id.trustDomain, rootCaPem)),
      this.#nowMs(),
    );
    if (!verdict.ok) throw new Error(`the control plane sent a certificate of no use: ${verdict.reason}`);
    const sent = sentRoot ? certificates.slice(0, -1) : certificates;
    return {
      certificateChainPem: sent.map(String).join(''),
      privateKeyPem: privateKeyPem(key),
      rootCaPem,
      notAfterMs: certificateFacts(leaf).notAfterMs,
    };
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        clearTimeout(this.#timer);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#timer = setTimeout(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      }, ms);
    });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
