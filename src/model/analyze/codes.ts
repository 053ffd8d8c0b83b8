/**
 * Codes of what analysis finds: those of Istio with its names, levels and meaning, and Heddle's own.
 * `docs/reference/analysis.md` is made from them.
 */
import type { Level } from '#core/problem.ts';

export interface AnalysisCode {
  readonly name: string;
  /** Of all messages of the code, while a mesh is not running. */
  readonly level: Level;
  /** What it means, in Markdown. */
  readonly about: string;
}

const codes = {
  IST0002: {
    name: 'Deprecated',
    level: 'warning',
    about:
      'A field, or a sort of provider, still works and has a successor. `heddle validate --fix` writes the successor where it is exact.',
  },
  IST0101: {
    name: 'ReferencedResourceNotFound',
    level: 'error',
    about:
      'Something that is referred to is not there: a host, a port, a subset, a gateway, a Secret, a Namespace, or workloads that a selector should find.',
  },
  IST0102: {
    name: 'NamespaceNotInjected',
    level: 'info',
    about:
      "Istio's injector gives the Pods of a Namespace no sidecar. Told only where the injector's ConfigMap is among the documents: Heddle gives every workload one.",
  },
  IST0103: {
    name: 'PodMissingProxy',
    level: 'warning',
    about:
      'A Pod of a Namespace with injection has no sidecar; it is older than the label. Told of documents, not of a running mesh.',
  },
  IST0106: {
    name: 'SchemaValidationError',
    level: 'error',
    about:
      'A document cannot be read: a field that does not exist, a value of the wrong type, YAML that is broken.',
  },
  IST0107: {
    name: 'MisplacedAnnotation',
    level: 'warning',
    about: 'An annotation has no effect on this kind.',
  },
  IST0108: { name: 'UnknownAnnotation', level: 'warning', about: 'Istio has no such annotation.' },
  IST0109: {
    name: 'ConflictingMeshGatewayVirtualServiceHosts',
    level: 'error',
    about:
      'Several VirtualServices have one host of the mesh, and some namespace sees more than one of them. Which of them holds is not to be relied on.',
  },
  IST0110: {
    name: 'ConflictingSidecarWorkloadSelectors',
    level: 'error',
    about: 'Two Sidecars select one workload; a workload takes one.',
  },
  IST0111: {
    name: 'MultipleSidecarsWithoutWorkloadSelectors',
    level: 'error',
    about: 'Two Sidecars without a selector are in one namespace; one of them has no effect.',
  },
  IST0112: {
    name: 'VirtualServiceDestinationPortSelectorRequired',
    level: 'error',
    about: 'A service has several ports, and the destination does not say which.',
  },
  IST0116: {
    name: 'DeploymentAssociatedToMultipleServices',
    level: 'warning',
    about: 'Services that select the Pods of one Deployment take the same port to be of different protocols.',
  },
  IST0118: {
    name: 'PortNameIsNotUnderNamingConvention',
    level: 'info',
    about:
      'The name of a port does not say its protocol, and neither does `appProtocol`, so it is found out by the first bytes of each connection.',
  },
  IST0123: {
    name: 'NamespaceMultipleInjectionLabels',
    level: 'warning',
    about: 'The labels of a Namespace tell in two ways how its Pods get into the mesh.',
  },
  IST0125: {
    name: 'InvalidAnnotation',
    level: 'warning',
    about: 'The value of an annotation is not one it may have.',
  },
  IST0126: {
    name: 'UnknownMeshNetworksServiceRegistry',
    level: 'error',
    about: '`meshNetworks` names a cluster that no remote secret is for.',
  },
  IST0127: {
    name: 'NoMatchingWorkloadsFound',
    level: 'warning',
    about: 'An AuthorizationPolicy selects no workload.',
  },
  IST0128: {
    name: 'NoServerCertificateVerificationDestinationLevel',
    level: 'warning',
    about: 'TLS is begun with a server whose certificate is not checked, as nothing says who signs it.',
  },
  IST0129: {
    name: 'NoServerCertificateVerificationPortLevel',
    level: 'warning',
    about: 'The same, for one port.',
  },
  IST0130: {
    name: 'VirtualServiceUnreachableRule',
    level: 'warning',
    about: 'A rule is never reached: earlier ones take every request that it would.',
  },
  IST0131: {
    name: 'VirtualServiceIneffectiveMatch',
    level: 'info',
    about: 'A condition adds nothing: an earlier one takes every request that it would.',
  },
  IST0132: {
    name: 'VirtualServiceHostNotFoundInGateway',
    level: 'warning',
    about: 'A VirtualService is bound to a gateway that does not have its hosts.',
  },
  IST0133: {
    name: 'SchemaWarning',
    level: 'warning',
    about: 'A document is read, and something about it is not as it looks.',
  },
  IST0134: {
    name: 'ServiceEntryAddressesRequired',
    level: 'warning',
    about:
      'A TCP port belongs to a host without addresses. Heddle gives the host one of its own; Istio, unless told to do so, takes every connection to the port number.',
  },
  IST0135: {
    name: 'DeprecatedAnnotation',
    level: 'info',
    about: 'An annotation still works and has a successor.',
  },
  IST0137: {
    name: 'DeploymentConflictingPorts',
    level: 'warning',
    about: 'Services that select the Pods of one Deployment lead different ports to one port of theirs.',
  },
  IST0138: {
    name: 'GatewayDuplicateCertificate',
    level: 'warning',
    about:
      'Several Gateways of the same workloads have one certificate. Browsers reuse a connection for another host of its certificate, and meet the wrong Gateway.',
  },
  IST0139: {
    name: 'InvalidWebhook',
    level: 'error',
    about:
      'A webhook of an injector leads to no Service, or is called for Pods that another is called for too.',
  },
  IST0144: {
    name: 'InvalidApplicationUID',
    level: 'warning',
    about:
      "A workload runs as user 1337, whose connections are taken to be the proxy's and are not captured.",
  },
  IST0145: {
    name: 'ConflictingGateways',
    level: 'error',
    about: 'Gateways of the same workloads have one host on one port.',
  },
  IST0146: {
    name: 'ImageAutoWithoutInjectionWarning',
    level: 'warning',
    about: 'The template of a workload has the image `auto`, and no injector is called to fill it in.',
  },
  IST0147: {
    name: 'ImageAutoWithoutInjectionError',
    level: 'error',
    about: 'A Pod has the image `auto`, and no injector is called to fill it in.',
  },
  IST0148: {
    name: 'NamespaceInjectionEnabledByDefault',
    level: 'info',
    about: 'A Namespace says nothing of injection, and the injector is told to inject by default.',
  },
  IST0149: {
    name: 'JwtClaimBasedRoutingWithoutRequestAuthN',
    level: 'error',
    about: 'A route goes by a claim of a token, and no RequestAuthentication checks tokens at its gateway.',
  },
  IST0150: {
    name: 'ExternalNameServiceTypeInvalidPortName',
    level: 'warning',
    about:
      'The port of an `ExternalName` Service has a name that does not say its protocol, so it may be taken to be TCP.',
  },
  IST0151: {
    name: 'EnvoyFilterUsesRelativeOperation',
    level: 'warning',
    about:
      'A patch of an EnvoyFilter refers to what another may have to bring first, and the EnvoyFilter has no `priority`.',
  },
  IST0152: {
    name: 'EnvoyFilterUsesReplaceOperationIncorrectly',
    level: 'error',
    about: '`REPLACE` is ignored for what the patch applies to.',
  },
  IST0153: {
    name: 'EnvoyFilterUsesAddOperationIncorrectly',
    level: 'error',
    about: '`ADD` is ignored for what the patch applies to.',
  },
  IST0154: {
    name: 'EnvoyFilterUsesRemoveOperationIncorrectly',
    level: 'error',
    about: '`REMOVE` is ignored for what the patch applies to.',
  },
  IST0155: {
    name: 'EnvoyFilterUsesRelativeOperationWithProxyVersion',
    level: 'warning',
    about: 'The same as IST0151, for a patch that is for some versions of the proxy alone.',
  },
  IST0157: {
    name: 'InvalidTelemetryProvider',
    level: 'warning',
    about:
      'A Telemetry has access logs written by nobody: it names no provider, and the MeshConfig none by default.',
  },
  IST0158: {
    name: 'PodsIstioProxyImageMismatchInNamespace',
    level: 'warning',
    about: "Pods of a Namespace have a sidecar of another image than the injector's.",
  },
  IST0159: {
    name: 'ConflictingTelemetryWorkloadSelectors',
    level: 'error',
    about: 'Two Telemetries select one workload; a workload takes one.',
  },
  IST0160: {
    name: 'MultipleTelemetriesWithoutWorkloadSelectors',
    level: 'error',
    about: 'Two Telemetries without a selector are in one namespace; one of them has no effect.',
  },
  IST0161: {
    name: 'InvalidGatewayCredential',
    level: 'error',
    about:
      'The Secret of a Gateway holds no certificate, no key, or, where clients show certificates, nothing to check them by.',
  },
  IST0162: {
    name: 'GatewayPortNotDefinedOnService',
    level: 'warning',
    about: 'A Gateway is for a port that the Service of its workloads does not have, so nobody gets there.',
  },
  IST0163: {
    name: 'InvalidExternalControlPlaneConfig',
    level: 'warning',
    about: 'A webhook of an external control plane has no address.',
  },
  IST0164: {
    name: 'ExternalControlPlaneAddressIsNotAHostname',
    level: 'info',
    about:
      'A webhook of an external control plane has an IP address, for which there is hardly a certificate.',
  },
  IST0165: {
    name: 'ReferencedInternalGateway',
    level: 'warning',
    about: 'A VirtualService is bound to a Gateway that Istio makes of one of the Gateway API, for itself.',
  },
  IST0166: {
    name: 'IneffectiveSelector',
    level: 'warning',
    about: 'A selector finds workloads of a Gateway of the Gateway API, which goes by `targetRefs` alone.',
  },
  IST0171: {
    name: 'NegativeConditionStatus',
    level: 'warning',
    about: 'A controller wrote into the status that it could not do what is written.',
  },
  IST0173: {
    name: 'DestinationRuleSubsetNotSelectPods',
    level: 'error',
    about: 'No Pod of the service is in a subset. Pods, templates of workloads and WorkloadEntries count.',
  },
  IST0174: {
    name: 'UnknownDestinationRuleHost',
    level: 'warning',
    about: 'The mesh does not have the host of a DestinationRule.',
  },
  IST0175: {
    name: 'JwksUriFetchUnrestricted',
    level: 'warning',
    about:
      'An istiod fetches the keys of tokens from wherever a RequestAuthentication says, also within its own network.',
  },
  IST0176: {
    name: 'GatewayAPICRDVersionBelowMinimum',
    level: 'warning',
    about: 'A definition of the Gateway API is older than what reads it.',
  },
  IST0177: {
    name: 'ConflictingServiceEntryProtocol',
    level: 'warning',
    about: 'ServiceEntries take one port of a host to be of different protocols.',
  },
  HED0001: {
    name: 'NotSupported',
    level: 'warning',
    about:
      'Heddle does not support a kind or a field yet. An error where the mesh would be less strict without it, else a warning.',
  },
  HED0002: { name: 'SchemaNote', level: 'info', about: 'Worth knowing about a document that is fine.' },
  HED0003: {
    name: 'ServiceEntryHostTaken',
    level: 'warning',
    about:
      "A host of a ServiceEntry is another document's already: a Service's, or that of a ServiceEntry that comes first by namespace and name.",
  },
  HED0004: {
    name: 'ServiceEntryWithoutPorts',
    level: 'warning',
    about: 'A ServiceEntry has no ports, so nothing can be sent to its hosts.',
  },
  HED0005: {
    name: 'ServiceEntryPortProtocolDetected',
    level: 'info',
    about: 'A port of a ServiceEntry has no protocol: it is found out by the first bytes of each connection.',
  },
  HED0006: {
    name: 'MeshWorkloadsCalledInPlainText',
    level: 'warning',
    about:
      'Workloads of the mesh are called in plain text, as their ServiceEntry says that they are outside of it.',
  },
  HED0007: {
    name: 'SelectorSelectsNoWorkload',
    level: 'warning',
    about: 'The selector of a Service or ServiceEntry selects no workload.',
  },
  HED0008: {
    name: 'MeshServiceAsOutsideEndpoint',
    level: 'warning',
    about: 'A ServiceEntry names a service of the mesh as an endpoint, which has no address outside of it.',
  },
  HED0009: {
    name: 'SubjectAltNamesNeverCompared',
    level: 'warning',
    about:
      'A ServiceEntry says which names certificates are to have, and no DestinationRule has the proxy begin TLS.',
  },
  HED0010: {
    name: 'PortProtocolNotCarried',
    level: 'warning',
    about: 'The mesh carries TCP; this port is of something else, and goes past it.',
  },
  HED0011: {
    name: 'RoutesForOpaquePorts',
    level: 'info',
    about: 'HTTP routes are for a host whose ports are all carried as TCP.',
  },
  HED0012: {
    name: 'WorkloadEntryNoEndpoint',
    level: 'warning',
    about: 'A WorkloadEntry is selected by a Service and has no IP address, so it is no endpoint.',
  },
  HED0013: {
    name: 'WorkloadEntryWithoutServiceAccount',
    level: 'warning',
    about: 'A WorkloadEntry is to be called by mutual TLS and has no service account to be known by.',
  },
  HED0014: {
    name: 'EnvoyFilterHasTypedField',
    level: 'info',
    about:
      'An EnvoyFilter patches what a field of a VirtualService or a DestinationRule says as well, which is checked and stays the same from version to version.',
  },
  HED0015: {
    name: 'DelegateRouteLeftOut',
    level: 'warning',
    about:
      'A route of a VirtualService that is delegated to takes more than what was delegated, or one cannot tell: it is left out there.',
  },
  HED0016: {
    name: 'DelegateWithoutRoot',
    level: 'info',
    about: 'A VirtualService has no hosts, and no other delegates to it.',
  },
  HED0017: {
    name: 'IngressWithoutClass',
    level: 'info',
    about: 'No class says who serves an Ingress, so nobody does.',
  },
  HED0018: {
    name: 'DestinationRuleTakenBefore',
    level: 'warning',
    about:
      'Several DestinationRules are for one host; what a later one says has no effect, as an earlier one says it.',
  },
  HED0019: {
    name: 'FailoverWithoutHealth',
    level: 'warning',
    about: 'Endpoints elsewhere are for when those here are ill, and nothing finds out that they are.',
  },
  HED0020: {
    name: 'PortNotHealthChecked',
    level: 'warning',
    about: 'The health check of a ResiliencePolicy cannot be made on a port.',
  },
} as const;

export type Code = keyof typeof codes;

export const analysisCodes: Readonly<Record<Code, AnalysisCode>> = codes;

/** Where a code is described, relative to the root of the project. */
export function documentationOf(code: Code): string {
  return `docs/reference/analysis.md#${code.toLowerCase()}`;
}
