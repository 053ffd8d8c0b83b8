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
  command: required(
    list(text, 1),
    'The program and its arguments, in place of the entrypoint; `command` of a container replaces it, and its `args` follow.',
  ),
  env: defaulted(mapOf(text), {}, 'Variables; those of a container win.'),
  workingDir: optional(nonEmptyText, 'Where it runs; absent: the folder of this file.'),
});

const workload: Decoder<LocalWorkload> = object({
  sidecar: defaulted(
    oneOf(['heddle', 'envoy', 'none']),
    'heddle',
    'What runs beside each instance. `envoy` is a real Envoy; `none` leaves the workload outside the mesh.',
  ),
});

const ingress: Decoder<LocalMeshSettings['ingress']> = object({
  host: defaulted(nonEmptyText, defaultMeshSettings.ingress.host, 'Address of this machine.'),
  port: defaulted(integer(0, 65535), defaultMeshSettings.ingress.port, '0: any that is free.'),
});

export const localMeshKind: KindDefinition<LocalMesh> = {
  kind: 'LocalMesh',
  group: 'heddle.dev',
  versions: ['v1alpha1'],
  scope: 'mesh',
  about: 'How a mesh runs on one machine: what runs in place of each image, and where its gateway listens.',
  fields: {
    images: defaulted(
      mapOf(image),
      {},
      'What runs in place of each image, by its name in the manifests. Paths are relative to this file.',
    ),
    workloads: defaulted(mapOf(workload), {}, 'By name of the Deployment, StatefulSet or Job.'),
    outboundTrafficPolicy: optional(
      object({
        mode: required(
          oneOf(['ALLOW_ANY', 'REGISTRY_ONLY']),
          'Hosts that the mesh does not know are reached, or refused.',
        ),
      }),
      'Stronger than the one of [MeshConfig](mesh-config.md); `ALLOW_ANY` where neither says anything.',
    ),
    protocolDetectionTimeout: optional(
      durationMsOrZero,
      'How long the first bytes of a connection are waited for where they decide what it is, before it is carried as TCP; `0s`: for ever. Stronger than the one of MeshConfig; 5 s where neither says anything.',
    ),
    trustDomain: optional(
      dnsName('dots'),
      'First part of every identity: `spiffe://TRUST-DOMAIN/ns/…`. Stronger than the one of MeshConfig; `cluster.local` where neither says anything.',
    ),
    ingress: defaulted(ingress, defaultMeshSettings.ingress, 'Where the ingress gateway listens.'),
  },
  guards: true,
};
