/** What a choice among endpoints depends on besides the endpoints. */
import type { Word64 } from '#core/word64.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { FilterMetadata, MetadataValue } from '#observe/access-record.ts';
import type { MetadataCriteria } from '../route/metadata-criteria.ts';
import type { ClusterRuntime } from './cluster.ts';
import type { Endpoint } from './endpoint.ts';

/** Turns endpoints down while there is a choice. */
export interface HostRefusal {
  refuses(endpoint: Endpoint): boolean;
}

/** Endpoints of one priority. */
export interface PriorityPlace {
  readonly priority: number;
  /** Whether it is about the degraded ones instead of the healthy ones. */
  readonly isDegraded: boolean;
}

/** What one priority of a cluster can take. */
export interface PriorityCapacity {
  readonly priority: number;
  /** Of a priority of an aggregate: whose it is. */
  readonly owner?: ClusterRuntime;
  /** Percents of all traffic. */
  readonly capacity: number;
}

/** Shares traffic out among priorities otherwise than their health does. */
export interface PriorityShares {
  /** @returns percents with a sum of 100 in the order of `priorities`; undefined: as health says. */
  sharesOf(priorities: readonly PriorityCapacity[]): readonly number[] | undefined;
}

/** Read during the pick and not kept: who asks may use one object again and again. */
export interface PickContext {
  /** Of the request, where the policy hashes. */
  readonly hash: Word64 | undefined;
  /** Undefined: no endpoint is turned down. */
  readonly refusal: HostRefusal | undefined;
  /** How many endpoints are drawn at most in search of one that is not turned down; the last is taken. */
  readonly attempts: number;
  /** Undefined: as health says. */
  readonly shares: PriorityShares | undefined;
  /** What an aggregate has chosen for one of its clusters; undefined: any priority. */
  readonly place: PriorityPlace | undefined;
  /** What the route asks of the metadata of endpoints; undefined: nothing. */
  readonly criteria: MetadataCriteria | undefined;
  /** Undefined where there is none, as for a plain connection. */
  readonly request: PickingRequest | undefined;
  /** Dynamic metadata of the request, or of the connection. */
  readonly metadata: FilterMetadata | undefined;
}

/** A request that an endpoint is picked for, perhaps not for the first time. */
export interface PickingRequest {
  readonly requestHeaders: HeaderList;
  /** Endpoints that it named and that have not been asked yet; undefined before the first pick. */
  namedEndpoints: string[] | undefined;
  setMetadata(namespace: string, fields: Readonly<Record<string, MetadataValue>>): void;
}

export type MutablePickContext = { -readonly [Field in keyof PickContext]: PickContext[Field] };

export const newPickContext = (): MutablePickContext => ({
  hash: undefined,
  refusal: undefined,
  attempts: 1,
  shares: undefined,
  place: undefined,
  criteria: undefined,
  request: undefined,
  metadata: undefined,
});
