/** What the CA counts, under the names of Istio's. */
import type { Counter, MetricRegistry } from '#observe/metrics-contract.ts';

/** How a request for a certificate ended. */
export type CertificateResult = 'issued' | 'unauthenticated' | 'bad-request' | 'failed';

export interface CertificateMetrics {
  answered(result: CertificateResult): void;
}

export function certificateMetrics(registry: MetricRegistry): CertificateMetrics {
  const counter = (name: string, help: string): Counter => registry.counterFamily(name, help, []).with([]);
  const all = counter('citadel_server_csr_count', 'Certificate signing requests received.');
  const byResult: Readonly<Record<CertificateResult, Counter>> = {
    issued: counter('citadel_server_success_cert_issuance_count', 'Certificates issued.'),
    unauthenticated: counter(
      'citadel_server_authentication_failure_count',
      'Requests refused because it was not proved who asks.',
    ),
    'bad-request': counter(
      'citadel_server_csr_parsing_err_count',
      'Signing requests that cannot be read, are not signed by their key, or have a weak one.',
    ),
    failed: counter('citadel_server_csr_sign_err_count', 'Failures to sign.'),
  };
  return {
    answered(result): void {
      all.inc();
      byResult[result].inc();
    },
  };
}
