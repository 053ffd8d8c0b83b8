/** Who calls: the identity of a gRPC call, from its certificate or a join token, and from nothing else. */
import { X509Certificate } from 'node:crypto';
import type { Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import { verifyChain } from '#identity/peer.ts';
import { type ServiceAccountRef, type SpiffeId, serviceAccountOf, workloadId } from '#identity/spiffe-id.ts';
import type { TrustBundle } from '#identity/trust-bundle.ts';
import type { JoinTokens } from '../ca/join-token.ts';

/** A call whose maker is known. */
export interface Caller {
  readonly by: 'certificate' | 'token';
  readonly id: SpiffeId;
  readonly account: ServiceAccountRef;
  /** The one workload that a token was made for, if for one alone; a certificate names none. */
  readonly pod: string | undefined;
  /** When a stream opened with a token is to end; one with a certificate ends with its connection. */
  readonly expiresAtMs?: number;
}

export type Authentication =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly reason: string };

export interface Authenticator {
  /** Uses up the join token, if one is shown. */
  authenticate(call: CallCredentials): Promise<Authentication>;
}

/** What is asked of a gRPC call. */
export interface CallCredentials extends Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext'> {
  readonly metadata: Pick<Metadata, 'get'>;
}

/** A stream opened with a token is closed after this time, by when its proxy has a certificate. */
const TOKEN_STREAM_LIFE_MS = 10 * 60_000;

export function authenticator(bundle: TrustBundle, tokens: JoinTokens, nowMs: () => number): Authenticator {
  const bundles = new Map([[bundle.trustDomain, bundle]]);
  return {
    async authenticate(call): Promise<Authentication> {
      // Set only where OpenSSL accepted the chain.
      const raw = call.getAuthContext().sslPeerCertificate?.raw;
      if (raw !== undefined) return byCertificate(new X509Certificate(raw));
      const token = bearerToken(call.metadata);
      if (token === undefined) {
        return refuse('a client certificate of this mesh or a join token is needed');
      }
      const subject = await tokens.redeem(token);
      if (subject === undefined) return refuse('the join token is unknown, used up or too old');
      const id = workloadId(bundle.trustDomain, subject);
      const expiresAtMs = nowMs() + TOKEN_STREAM_LIFE_MS;
      return { ok: true, caller: { by: 'token', id, account: subject, pod: subject.pod, expiresAtMs } };
    },
  };

  function byCertificate(leaf: X509Certificate): Authentication {
    const verdict = verifyChain(leaf, bundles, nowMs());
    if (!verdict.ok) return refuse(`the client certificate is of no use here: ${verdict.reason}`);
    const account = serviceAccountOf(verdict.id);
    if (account === undefined) return refuse(`${verdict.id.uri} names no service account`);
    return { ok: true, caller: { by: 'certificate', id: verdict.id, account, pod: undefined } };
  }
}

function refuse(reason: string): Authentication {
  return { ok: false, reason };
}

function bearerToken(metadata: Pick<Metadata, 'get'>): string | undefined {
  const values = metadata.get('authorization');
  const [value] = values;
  if (values.length !== 1 || typeof value !== 'string') return undefined;
  return /^Bearer (\S+)$/i.exec(value)?.[1];
}
