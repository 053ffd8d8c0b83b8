/**
 * Istio's CA service. The id in the certificate is the id of the caller, whatever the request says:
 * a token's subject, or the holder of the certificate that is being renewed.
 */
import { create } from '@bufbuild/protobuf';
import { type handleUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { Logger } from '#observe/log.ts';
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from '#xds/gen/istio/v1/auth/ca_pb.js';
import type { Authenticator, CallCredentials } from '../serve/caller.ts';
import { grpcMethod } from '../serve/method.ts';
import type { GrpcService } from '../serve/ports.ts';
import type { Authority } from './authority.ts';
import type { CertificateMetrics, CertificateResult } from './certificate-metrics.ts';

export interface CertificateServiceParts {
  readonly authority: Authority;
  readonly authenticator: Authenticator;
  readonly log: Logger;
  readonly metrics: CertificateMetrics;
}

type Outcome =
  | { readonly result: 'issued'; readonly response: IstioCertificateResponse }
  | {
      readonly result: Exclude<CertificateResult, 'issued'>;
      readonly code: status;
      readonly details: string;
    };

/** `IstioCertificateService`, for the TLS door. */
export function certificateService(parts: CertificateServiceParts): GrpcService {
  return {
    definition: { createCertificate: grpcMethod(IstioCertificateService.method.createCertificate) },
    implementation: { createCertificate: handler(parts) },
  };
}

function handler(
  parts: CertificateServiceParts,
): handleUnaryCall<IstioCertificateRequest, IstioCertificateResponse> {
  return (call, answer): void => {
    issue(parts, call, call.request)
      .catch((error: unknown): Outcome => {
        parts.log.error('ca.failed', { error: String(error) });
        return { result: 'failed', code: status.INTERNAL, details: 'the certificate could not be made' };
      })
      .then((outcome) => finish(parts, outcome, answer));
  };
}

function finish(
  { metrics }: CertificateServiceParts,
  outcome: Outcome,
  answer: sendUnaryData<IstioCertificateResponse>,
): void {
  metrics.answered(outcome.result);
  if (outcome.result === 'issued') answer(null, outcome.response);
  else answer({ code: outcome.code, details: outcome.details });
}

async function issue(
  { authority, authenticator, log }: CertificateServiceParts,
  call: CallCredentials,
  request: IstioCertificateRequest,
): Promise<Outcome> {
  const authentication = await authenticator.authenticate(call);
  if (!authentication.ok) {
    log.warn('ca.refused', { reason: authentication.reason });
    return { result: 'unauthenticated', code: status.UNAUTHENTICATED, details: authentication.reason };
  }
  const { id, by } = authentication.caller;
  const certChain = await authority.sign(request.csr, id, Number(request.validityDuration) * 1000);
  if (certChain === undefined) {
    const details =
      'the certificate signing request cannot be read, is not signed by its key, or its key is weak';
    log.warn('ca.bad-request', { id: id.uri });
    return { result: 'bad-request', code: status.INVALID_ARGUMENT, details };
  }
  log.info('ca.issued', { id: id.uri, by });
  return {
    result: 'issued',
    response: create(IstioCertificateResponseSchema, { certChain: [...certChain] }),
  };
}
