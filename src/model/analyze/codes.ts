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

const codes = {
  IST0002: { name: 'Deprecated', level: 'warning' },
  IST0101: { name: 'ReferencedResourceNotFound', level: 'error' },
  IST0102: { name: 'NamespaceNotInjected', level: 'info' },
  IST0103: { name: 'PodMissingProxy', level: 'warning' },
  IST0106: { name: 'SchemaValidationError', level: 'error' },
  IST0107: { name: 'MisplacedAnnotation', level: 'warning' },
  IST0108: { name: 'UnknownAnnotation', level: 'warning' },
  IST0109: { name: 'ConflictingMeshGatewayVirtualServiceHosts', level: 'error' },
  IST0110: { name: 'ConflictingSidecarWorkloadSelectors', level: 'error' },
  IST0111: { name: 'MultipleSidecarsWithoutWorkloadSelectors', level: 'error' },
  IST0112: { name: 'VirtualServiceDestinationPortSelectorRequired', level: 'error' },
  IST0116: { name: 'DeploymentAssociatedToMultipleServices', level: 'warning' },
  IST0118: { name: 'PortNameIsNotUnderNamingConvention', level: 'info' },
  IST0123: { name: 'NamespaceMultipleInjectionLabels', level: 'warning' },
  IST0125: { name: 'InvalidAnnotation', level: 'warning' },
  IST0126: { name: 'UnknownMeshNetworksServiceRegistry', level: 'error' },
  IST0127: { name: 'NoMatchingWorkloadsFound', level: 'warning' },
  IST0128: { name: 'NoServerCertificateVerificationDestinationLevel', level: 'warning' },
  IST0129: { name: 'NoServerCertificateVerificationPortLevel', level: 'warning' },
  IST0130: { name: 'VirtualServiceUnreachableRule', level: 'warning' },
  IST0131: { name: 'VirtualServiceIneffectiveMatch', level: 'info' },
  IST0132: { name: 'VirtualServiceHostNotFoundInGateway', level: 'warning' },
  IST0133: { name: 'SchemaWarning', level: 'warning' },
  IST0134: { name: 'ServiceEntryAddressesRequired', level: 'warning' },
  IST0135: { name: 'DeprecatedAnnotation', level: 'info' },
  IST0137: { name: 'DeploymentConflictingPorts', level: 'warning' },
  IST0138: { name: 'GatewayDuplicateCertificate', level: 'warning' },
  IST0139: { name: 'InvalidWebhook', level: 'error' },
  IST0144: { name: 'InvalidApplicationUID', level: 'warning' },
  IST0145: { name: 'ConflictingGateways', level: 'error' },
  IST0146: { name: 'ImageAutoWithoutInjectionWarning', level: 'warning' },
  IST0147: { name: 'ImageAutoWithoutInjectionError', level: 'error' },
  IST0148: { name: 'NamespaceInjectionEnabledByDefault', level: 'info' },
  IST0149: { name: 'JwtClaimBasedRoutingWithoutRequestAuthN', level: 'error' },
  IST0150: { name: 'ExternalNameServiceTypeInvalidPortName', level: 'warning' },
  IST0151: { name: 'EnvoyFilterUsesRelativeOperation', level: 'warning' },
  IST0152: { name: 'EnvoyFilterUsesReplaceOperationIncorrectly', level: 'error' },
  IST0153: { name: 'EnvoyFilterUsesAddOperationIncorrectly', level: 'error' },
  IST0154: { name: 'EnvoyFilterUsesRemoveOperationIncorrectly', level: 'error' },
  IST0155: { name: 'EnvoyFilterUsesRelativeOperationWithProxyVersion', level: 'warning' },
  IST0157: { name: 'InvalidTelemetryProvider', level: 'warning' },
  IST0158: { name: 'PodsIstioProxyImageMismatchInNamespace', level: 'warning' },
  IST0159: { name: 'ConflictingTelemetryWorkloadSelectors', level: 'error' },
  IST0160: { name: 'MultipleTelemetriesWithoutWorkloadSelectors', level: 'error' },
  IST0161: { name: 'InvalidGatewayCredential', level: 'error' },
  IST0162: { name: 'GatewayPortNotDefinedOnService', level: 'warning' },
  IST0163: { name: 'InvalidExternalControlPlaneConfig', level: 'warning' },
  IST0164: { name: 'ExternalControlPlaneAddressIsNotAHostname', level: 'info' },
  IST0165: { name: 'ReferencedInternalGateway', level: 'warning' },
  IST0166: { name: 'IneffectiveSelector', level: 'warning' },
  IST0171: { name: 'NegativeConditionStatus', level: 'warning' },
  IST0173: { name: 'DestinationRuleSubsetNotSelectPods', level: 'error' },
  IST0174: { name: 'UnknownDestinationRuleHost', level: 'warning' },
  IST0175: { name: 'JwksUriFetchUnrestricted', level: 'warning' },
  IST0176: { name: 'GatewayAPICRDVersionBelowMinimum', level: 'warning' },
  IST0177: { name: 'ConflictingServiceEntryProtocol', level: 'warning' },
  HED0001: { name: 'NotSupported', level: 'warning' },
  HED0002: { name: 'SchemaNote', level: 'info' },
  HED0003: { name: 'ServiceEntryHostTaken', level: 'warning' },
  HED0004: { name: 'ServiceEntryWithoutPorts', level: 'warning' },
  HED0005: { name: 'ServiceEntryPortProtocolDetected', level: 'info' },
  HED0006: { name: 'MeshWorkloadsCalledInPlainText', level: 'warning' },
  HED0007: { name: 'SelectorSelectsNoWorkload', level: 'warning' },
  HED0008: { name: 'MeshServiceAsOutsideEndpoint', level: 'warning' },
  HED0009: { name: 'SubjectAltNamesNeverCompared', level: 'warning' },
  HED0010: { name: 'PortProtocolNotCarried', level: 'warning' },
  HED0011: { name: 'RoutesForOpaquePorts', level: 'info' },
  HED0012: { name: 'WorkloadEntryNoEndpoint', level: 'warning' },
  HED0013: { name: 'WorkloadEntryWithoutServiceAccount', level: 'warning' },
} as const;

export type Code = keyof typeof codes;

export const analysisCodes: Readonly<Record<Code, AnalysisCode>> = codes;

/** Where a code is described, relative to the root of the project. */
export function documentationOf(code: Code): string {
  return `docs/reference/analysis.md#${code.toLowerCase()}`;
}
