/**
 * Codes of what analysis finds: those of Istio with its names, levels and meaning, and Heddle's own.
 * `docs/reference/analysis.md` has a section for each.
 */
import type { Level } from '#core/problem.ts';

export interface AnalysisCode {
  readonly name: string;
  /** Of all messages of the code. */
  readonly level: Level;
}

const error = (name: string): AnalysisCode => ({ name, level: 'error' });
const warning = (name: string): AnalysisCode => ({ name, level: 'warning' });
const info = (name: string): AnalysisCode => ({ name, level: 'info' });

export const analysisCodes = {
  IST0002: warning('Deprecated'),
  IST0101: error('ReferencedResourceNotFound'),
  IST0102: info('NamespaceNotInjected'),
  IST0103: warning('PodMissingProxy'),
  IST0106: error('SchemaValidationError'),
  IST0107: warning('MisplacedAnnotation'),
  IST0108: warning('UnknownAnnotation'),
  IST0109: error('ConflictingMeshGatewayVirtualServiceHosts'),
  IST0110: error('ConflictingSidecarWorkloadSelectors'),
  IST0111: error('MultipleSidecarsWithoutWorkloadSelectors'),
  IST0112: error('VirtualServiceDestinationPortSelectorRequired'),
  IST0116: warning('DeploymentAssociatedToMultipleServices'),
  IST0118: info('PortNameIsNotUnderNamingConvention'),
  IST0123: warning('NamespaceMultipleInjectionLabels'),
  IST0125: warning('InvalidAnnotation'),
  IST0126: error('UnknownMeshNetworksServiceRegistry'),
  IST0127: warning('NoMatchingWorkloadsFound'),
  IST0128: warning('NoServerCertificateVerificationDestinationLevel'),
  IST0129: warning('NoServerCertificateVerificationPortLevel'),
  IST0130: warning('VirtualServiceUnreachableRule'),
  IST0131: info('VirtualServiceIneffectiveMatch'),
  IST0132: warning('VirtualServiceHostNotFoundInGateway'),
  IST0133: warning('SchemaWarning'),
  IST0134: warning('ServiceEntryAddressesRequired'),
  IST0135: info('DeprecatedAnnotation'),
  IST0137: warning('DeploymentConflictingPorts'),
  IST0138: warning('GatewayDuplicateCertificate'),
  IST0139: error('InvalidWebhook'),
  IST0144: warning('InvalidApplicationUID'),
  IST0145: error('ConflictingGateways'),
  IST0146: warning('ImageAutoWithoutInjectionWarning'),
  IST0147: error('ImageAutoWithoutInjectionError'),
  IST0148: info('NamespaceInjectionEnabledByDefault'),
  IST0149: error('JwtClaimBasedRoutingWithoutRequestAuthN'),
  IST0150: warning('ExternalNameServiceTypeInvalidPortName'),
  IST0151: warning('EnvoyFilterUsesRelativeOperation'),
  IST0152: error('EnvoyFilterUsesReplaceOperationIncorrectly'),
  IST0153: error('EnvoyFilterUsesAddOperationIncorrectly'),
  IST0154: error('EnvoyFilterUsesRemoveOperationIncorrectly'),
  IST0155: warning('EnvoyFilterUsesRelativeOperationWithProxyVersion'),
  IST0157: warning('InvalidTelemetryProvider'),
  IST0158: warning('PodsIstioProxyImageMismatchInNamespace'),
  IST0159: error('ConflictingTelemetryWorkloadSelectors'),
  IST0160: error('MultipleTelemetriesWithoutWorkloadSelectors'),
  IST0161: error('InvalidGatewayCredential'),
  IST0162: warning('GatewayPortNotDefinedOnService'),
  IST0163: warning('InvalidExternalControlPlaneConfig'),
  IST0164: info('ExternalControlPlaneAddressIsNotAHostname'),
  IST0165: warning('ReferencedInternalGateway'),
  IST0166: warning('IneffectiveSelector'),
  IST0171: warning('NegativeConditionStatus'),
  IST0173: error('DestinationRuleSubsetNotSelectPods'),
  IST0174: warning('UnknownDestinationRuleHost'),
  IST0175: warning('JwksUriFetchUnrestricted'),
  IST0176: warning('GatewayAPICRDVersionBelowMinimum'),
  IST0177: warning('ConflictingServiceEntryProtocol'),
  HED0001: warning('NotSupported'),
  HED0002: info('SchemaNote'),
  HED0003: warning('ServiceEntryHostTaken'),
  HED0004: warning('ServiceEntryWithoutPorts'),
  HED0005: info('ServiceEntryPortProtocolDetected'),
  HED0006: warning('MeshWorkloadsCalledInPlainText'),
  HED0007: warning('SelectorSelectsNoWorkload'),
  HED0008: warning('MeshServiceAsOutsideEndpoint'),
  HED0009: warning('SubjectAltNamesNeverCompared'),
  HED0010: warning('PortProtocolNotCarried'),
  HED0011: info('RoutesForOpaquePorts'),
  HED0012: warning('WorkloadEntryNoEndpoint'),
  HED0013: warning('WorkloadEntryWithoutServiceAccount'),
} as const satisfies Readonly<Record<string, AnalysisCode>>;

export type Code = keyof typeof analysisCodes;

/** Where a code is described, relative to the root of the project. */
export function documentationOf(code: Code): string {
  return `docs/reference/analysis.md#${code.toLowerCase()}`;
}
