/** Every analyzer of raw documents: Istio's, but for what decoding gives (IST0106, IST0133), and one that it lacks. */
import type { Analyzer } from '../analyzer.ts';
import { annotationAnalyzer } from './annotations.ts';
import { authorizationAnalyzer, ineffectiveSelectorAnalyzer, jwksAnalyzer } from './authorization.ts';
import { conditionAnalyzer } from './conditions.ts';
import { applicationUidAnalyzer, serviceAssociationAnalyzer } from './deployments.ts';
import { deprecationAnalyzer } from './deprecation.ts';
import { caCertificateAnalyzer, podNotSelectedAnalyzer, unknownHostAnalyzer } from './destination-rules.ts';
import { envoyFilterFieldAnalyzer } from './envoy-filter-fields.ts';
import { envoyPatchAnalyzer } from './envoy-filters.ts';
import { externalControlPlaneAnalyzer } from './external-control-plane.ts';
import { crdVersionAnalyzer } from './gateway-api.ts';
import { certificateAnalyzer, secretAnalyzer } from './gateway-credentials.ts';
import { conflictingGatewayAnalyzer, gatewayPortAnalyzer } from './gateways.ts';
import { injectionAnalyzer } from './injection.ts';
import { meshNetworksAnalyzer } from './mesh-networks.ts';
import { imageAnalyzer, imageAutoAnalyzer } from './proxy-images.ts';
import {
  sidecarDefaultAnalyzer,
  sidecarSelectorAnalyzer,
  telemetryDefaultAnalyzer,
  telemetrySelectorAnalyzer,
} from './selectors.ts';
import { conflictingProtocolAnalyzer, protocolAddressesAnalyzer } from './service-entries.ts';
import { portNameAnalyzer } from './services.ts';
import { lightstepAnalyzer, telemetryProviderAnalyzer } from './telemetry.ts';
import { destinationHostAnalyzer, subsetAnalyzer } from './virtual-service-destinations.ts';
import { gatewayAnalyzer, jwtClaimAnalyzer } from './virtual-service-gateways.ts';
import { conflictingHostsAnalyzer } from './virtual-service-hosts.ts';
import { unreachableAnalyzer } from './virtual-service-matches.ts';
import { webhookAnalyzer } from './webhooks.ts';

export const istioAnalyzers: readonly Analyzer[] = [
  annotationAnalyzer,
  jwksAnalyzer,
  authorizationAnalyzer,
  conditionAnalyzer,
  applicationUidAnalyzer,
  serviceAssociationAnalyzer,
  deprecationAnalyzer,
  caCertificateAnalyzer,
  podNotSelectedAnalyzer,
  unknownHostAnalyzer,
  envoyPatchAnalyzer,
  envoyFilterFieldAnalyzer,
  externalControlPlaneAnalyzer,
  certificateAnalyzer,
  conflictingGatewayAnalyzer,
  gatewayPortAnalyzer,
  secretAnalyzer,
  injectionAnalyzer,
  imageAnalyzer,
  imageAutoAnalyzer,
  crdVersionAnalyzer,
  ineffectiveSelectorAnalyzer,
  meshNetworksAnalyzer,
  unreachableAnalyzer,
  portNameAnalyzer,
  conflictingProtocolAnalyzer,
  protocolAddressesAnalyzer,
  sidecarDefaultAnalyzer,
  sidecarSelectorAnalyzer,
  lightstepAnalyzer,
  telemetryProviderAnalyzer,
  telemetryDefaultAnalyzer,
  telemetrySelectorAnalyzer,
  conflictingHostsAnalyzer,
  destinationHostAnalyzer,
  subsetAnalyzer,
  gatewayAnalyzer,
  jwtClaimAnalyzer,
  webhookAnalyzer,
];
