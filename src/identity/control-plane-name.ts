/** Under which names the control plane is known: Istio's, so that what works with Istio works here. */
import type { ServiceAccountRef } from './spiffe-id.ts';

/** The name clients expect in the control plane's certificate, and send as SNI. */
export const CONTROL_PLANE_DNS_NAME = 'istiod.istio-system.svc';

/** All names in the certificate. */
export const CONTROL_PLANE_DNS_NAMES: readonly string[] = [
  CONTROL_PLANE_DNS_NAME,
  'istiod.istio-system.svc.cluster.local',
  'istiod.istio-system',
  'localhost',
];

export const CONTROL_PLANE_ACCOUNT: ServiceAccountRef = {
  namespace: 'istio-system',
  serviceAccount: 'istiod',
};
