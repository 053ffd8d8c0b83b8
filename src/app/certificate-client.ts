/** One call to Istio's CA service; its connection is closed after it. */
import { create } from '@bufbuild/protobuf';
import { grpcStatus } from '#http/grpc-status.ts';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import { createGrpcTransport } from '#proxy/apply/grpc-transport.ts';
import { IstioCertificateRequestSchema, IstioCertificateService } from '#xds/gen/istio/v1/auth/ca_pb.js';
import { TransportError } from '#xds/transport.ts';

/** What proves who asks. */
export type Credential =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'certificate'; readonly certificateChainPem: string; readonly privateKeyPem: string };

export interface CertificateCall {
  /** `host:port`. */
  readonly address: string;
  readonly rootCaPem: string;
  readonly credential: Credential;
  /** PEM of a PKCS #10 request. */
  readonly csr: string;
  /** 0: as long as the CA likes. */
  readonly validitySeconds: number;
  readonly signal: AbortSignal;
}

/** The CA understood and said no: trying again with the same credential is of no use. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
}

const CALL_TIMEOUT_MS = 10_000;

/** The chain, leaf first. Rejects with {@link RequestRefused}, or an `Error` where trying again may help. */
export async function requestCertificate(call: CertificateCall): Promise<readonly string[]> {
  call.signal.throwIfAborted();
  const { credential } = call;
  const transport = createGrpcTransport(() => ({
    uri: call.address,
    tls: {
      rootPem: call.rootCaPem,
      serverName: CONTROL_PLANE_DNS_NAME,
      ...(credential.kind === 'certificate'
        ? { certificateChainPem: credential.certificateChainPem, privateKeyPem: credential.privateKeyPem }
        : {}),
    },
  }));
  const close = (): void => transport.close();
  call.signal.addEventListener('abort', close, { once: true });
  const request = create(IstioCertificateRequestSchema, {
    csr: call.csr,
    validityDuration: BigInt(call.validitySeconds),
  });
  const metadata = credential.kind === 'token' ? { authorization: `Bearer ${credential.token}` } : {};
  try {
    const { createCertificate } = IstioCertificateService.method;
    const answer = await transport.call(createCertificate, request, { metadata, timeoutMs: CALL_TIMEOUT_MS });
    return answer.certChain;
  } catch (error) {
    if (error instanceof TransportError && refusals.has(error.status.code)) {
      throw new RequestRefused(`the control plane refused: ${error.status.detail}`, { cause: error });
    }
    throw error;
  } finally {
    call.signal.removeEventListener('abort', close);
    transport.close();
  }
}

const refusals: ReadonlySet<number> = new Set([
  grpcStatus.unauthenticated,
  grpcStatus.permissionDenied,
  grpcStatus.invalidArgument,
]);
