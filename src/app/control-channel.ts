/** The way to the control plane's TLS port for what a workload asks of it over gRPC. */
import { isIPv4, isIPv6 } from 'node:net';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import { createGrpcTransport } from '#proxy/apply/grpc-transport.ts';
import type { Transport } from '#xds/transport.ts';
import type { WorkloadIdentity } from './workload-identity.ts';

/**
 * The certificate in force at each connection; what is connected keeps its own.
 *
 * @param control `HOST:PORT`
 */
export function controlTransport(control: string, identity: WorkloadIdentity): Transport {
  const uri = controlUri(control);
  return createGrpcTransport(() => {
    const { rootCaPem, certificateChainPem, privateKeyPem } = identity.current();
    return {
      uri,
      tls: { rootPem: rootCaPem, certificateChainPem, privateKeyPem, serverName: CONTROL_PLANE_DNS_NAME },
    };
  });
}

function controlUri(control: string): string {
  const host = control.slice(0, control.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  if (isIPv4(host)) return `ipv4:${control}`;
  return isIPv6(host) ? `ipv6:${control}` : `dns:///${control}`;
}
