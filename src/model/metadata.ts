/** `metadata` of every kind, and the shape that all resources share. */
import type { Position } from '#core/problem.ts';
import { mapOf } from './decode/collection.ts';
import type { Decoder, Path } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { dnsName, text } from './decode/scalar.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Metadata {
  readonly name: string;
  /** Of the kind's namespace: `default` where none is written; absent for kinds without one. */
  readonly namespace?: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Set while the object is being taken away. */
  readonly deletionTimestamp?: string;
  /** RFC 3339, as the API server writes it. */
  readonly creationTimestamp?: string;
}

/** Where a resource came from. */
export interface Origin {
  readonly file: string;
  readonly start: Position;
  /** Of a field, such as `['spec', 'http', 0]`; the nearest enclosing field if it is not there. */
  positionOf(path: Path): Position | undefined;
}

export interface ResourceBase<Kind extends string, Spec> {
  readonly kind: Kind;
  /** `networking.istio.io/v1`, as written. */
  readonly apiVersion: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
  readonly origin: Origin;
}

export const labels: Decoder<Labels> = mapOf(text);

/** Fields the API server fills in; people paste them from `kubectl get -o yaml`. */
const byTheServer = 'Filled in by the API server.';
const fromTheServer = {
  uid: meaningless(byTheServer),
  resourceVersion: meaningless(byTheServer),
  generation: meaningless(byTheServer),
  managedFields: meaningless(byTheServer),
  selfLink: meaningless(byTheServer),
  ownerReferences: meaningless(byTheServer),
  finalizers: meaningless(byTheServer),
  deletionGracePeriodSeconds: meaningless(byTheServer),
  generateName: meaningless(byTheServer),
} as const;

export const metadata: Decoder<Metadata> = object({
  ...fromTheServer,
  name: required(dnsName('dots')),
  namespace: optional(dnsName('no dots')),
  labels: defaulted(labels, {}),
  annotations: defaulted(labels, {}),
  deletionTimestamp: optional(text),
  creationTimestamp: optional(text),
});

/** `metadata` of a pod template: no name. */
export const templateMetadata: Decoder<Pick<Metadata, 'labels' | 'annotations'>> = object({
  ...fromTheServer,
  name: meaningless('Instances are called after what makes them.'),
  namespace: meaningless('That of what makes them.'),
  creationTimestamp: meaningless(byTheServer),
  labels: defaulted(labels, {}, 'By which Services and policies select them.'),
  annotations: defaulted(labels, {}, 'Those of Istio and Heddle that speak to a sidecar.'),
});

/** Kubernetes' `matchLabels`: an empty selector selects nothing here; callers decide about absence. */
export function selects(selector: Labels, candidate: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => candidate[key] === value);
}
