/**
 * Heddle's own `LocalMesh`: how a mesh runs on one machine. It maps container images to local
 * commands and holds the few settings that Kubernetes and Istio keep outside their documents.
 */
import { list, mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object, optional, required } from './decode/object.ts';
import { dnsName, durationMsOrZero, integer, nonEmptyText, oneOf, text } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

/** What runs in place of a container image. Paths are relative to the file it is written in. */
export interface LocalImage {
  /** The image's entrypoint: replaced by a container's `command`, followed by its `args`. */
  readonly command: readonly string[];
  /** A container's own `env` wins. */
  readonly env: Readonly<Record<string, string>>;
  /** Absent: the folder of the file. */
  readonly workingDir?: string;
}

export interface LocalWorkload {
  /** What runs beside each instance. `envoy` is a real Envoy; `none` leaves the workload outside the mesh. */
  readonly sidecar: 'heddle' | 'envoy' | 'none';
}

export interface LocalMeshSettings {
  /** By image as written in the manifests, such as `docker.io/acme/reviews:1`. */
  readonly images: Readonly<Record<string, LocalImage>>;
  /** By name of the Deployment. */
  readonly workloads: Readonly<Record<string, LocalWorkload>>;
  /** `ALLOW_ANY` reaches hosts that the mesh does not know; `REGISTRY_ONLY` refuses them. */
  readonly outboundTrafficPolicy: { readonly mode: 'ALLOW_ANY' | 'REGISTRY_ONLY' };
  /**
   * Milliseconds that a connection's first bytes are waited for where they decide what it is; after that it is carried
   * as TCP. 0: for ever, and so without servers that speak first (Istio's default).
   */
  readonly protocolDetectionTimeout: number;
  /** First part of every identity: `spiffe://TRUST-DOMAIN/ns/…`. */
  readonly trustDomain: string;
  /** Where the ingress gateway listens on this machine. */
  readonly ingress: { readonly host: string /** 0: any free port. */; readonly port: number };
}

/** Its fields stand beside `metadata`, as `data` does in a ConfigMap. What is absent says Istio's MeshConfig. */
export type LocalMesh = ResourceBase<'LocalMesh', undefined> &
  Pick<LocalMeshSettings, 'images' | 'workloads' | 'ingress'> &
  Partial<LocalMeshSettings>;

export const defaultMeshSettings: Pick<
  LocalMeshSettings,
  'outboundTrafficPolicy' | 'protocolDetectionTimeout' | 'trustDomain' | 'ingress'
> = {
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  protocolDetectionTimeout: 5000,
  trustDomain: 'cluster.local',
  ingress: { host: '127.0.0.1', port: 8080 },
};

const image: Decoder<LocalImage> = object({
  command: required(list(text, 1)),
  env: defaulted(mapOf(text), {}),
  workingDir: optional(nonEmptyText),
});

const workload: Decoder<LocalWorkload> = object({
  sidecar: defaulted(oneOf(['heddle', 'envoy', 'none']), 'heddle'),
});

const ingress: Decoder<LocalMeshSettings['ingress']> = object({
  host: defaulted(nonEmptyText, defaultMeshSettings.ingress.host),
  port: defaulted(integer(0, 65535), defaultMeshSettings.ingress.port),
});

export const localMeshKind: KindDefinition<LocalMesh> = {
  kind: 'LocalMesh',
  group: 'heddle.dev',
  versions: ['v1alpha1'],
  scope: 'mesh',
  fields: {
    images: defaulted(mapOf(image), {}),
    workloads: defaulted(mapOf(workload), {}),
    outboundTrafficPolicy: optional(object({ mode: required(oneOf(['ALLOW_ANY', 'REGISTRY_ONLY'])) })),
    protocolDetectionTimeout: optional(durationMsOrZero),
    trustDomain: optional(dnsName('dots')),
    ingress: defaulted(ingress, defaultMeshSettings.ingress),
  },
  guards: true,
};
