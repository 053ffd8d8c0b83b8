/** One call to Istio's CA service. gRPC is loaded with the first call and its connection closed after it. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Client, Metadata, ServiceError } from '@grpc/grpc-js';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from '#xds/gen/istio/v1/auth/ca_pb.js';

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
/** `/istio.v1.auth.IstioCertificateService/CreateCertificate`. */
const PATH = `/${IstioCertificateService.typeName}/${IstioCertificateService.method.createCertificate.name}`;

/** The chain, leaf first. Rejects with {@link RequestRefused}, or an `Error` where trying again may help. */
export async function requestCertificate(call: CertificateCall): Promise<readonly string[]> {
  call.signal.throwIfAborted();
  const grpc = await import('@grpc/grpc-js');
  const { credential } = call;
  const certificate = credential.kind === 'certificate' ? credential : undefined;
  const client = new grpc.Client(
    call.address,
    grpc.credentials.createSsl(
      Buffer.from(call.rootCaPem),
      certificate && Buffer.from(certificate.privateKeyPem),
      certificate && Buffer.from(certificate.certificateChainPem),
    ),
    {
      'grpc.ssl_target_name_override': CONTROL_PLANE_DNS_NAME,
      'grpc.enable_http_proxy': 0, // the proxy variables of the host are not for the mesh
      'grpc.use_local_subchannel_pool': 1, // a connection of one certificate must not serve another
    },
  );
  const metadata = new grpc.Metadata();
  if (credential.kind === 'token') metadata.set('authorization', `Bearer ${credential.token}`);
  try {
    return (await unary(client, metadata, call)).certChain;
  } catch (error) {
    const { code, details } = error as ServiceError;
    const { UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT } = grpc.status;
    if (code === UNAUTHENTICATED || code === PERMISSION_DENIED || code === INVALID_ARGUMENT) {
      throw new RequestRefused(`the control plane refused: ${details}`, { cause: error });
    }
    throw error;
  } finally {
    client.close();
  }
}

function unary(client: Client, metadata: Metadata, call: CertificateCall): Promise<IstioCertificateResponse> {
  const request = create(IstioCertificateRequestSchema, {
    csr: call.csr,
    validityDuration: BigInt(call.validitySeconds),
  });
  return new Promise((resolve, reject) => {
    const running = client.makeUnaryRequest<IstioCertificateRequest, IstioCertificateResponse>(
      PATH,
      (message) => Buffer.from(toBinary(IstioCertificateRequestSchema, message)),
      (bytes) => fromBinary(IstioCertificateResponseSchema, bytes),
      request,
      metadata,
      { deadline: Date.now() + CALL_TIMEOUT_MS },
      (error, response) => {
        call.signal.removeEventListener('abort', cancel);
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error('the control plane sent no answer'));
        else resolve(response);
      },
    );
    const cancel = (): void => running.cancel();
    call.signal.addEventListener('abort', cancel, { once: true });
  });
}
