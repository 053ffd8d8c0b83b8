/** How an endpoint is asked whether it is well, whatever is spoken. */
import type { PoolDeps, PoolSettings } from '../../pool/settings.ts';
import type { Endpoint } from '../endpoint.ts';

export interface ProbeFailure {
  /** `NETWORK`: nothing came back. */
  readonly type: 'NETWORK' | 'ACTIVE';
  /** Whether several of them are needed, as with failures of the network. */
  readonly retriable?: boolean;
  /** Whether the endpoint asks not to be counted among those that ought to be healthy. */
  readonly immediate?: boolean;
  /** Of the answer; absent: there is none. */
  readonly status?: number;
}

/** Told once of each check how it went. */
export interface ProbeHandler {
  passed(degraded: boolean): void;
  failed(failure: ProbeFailure): void;
  /** The name of the service that answered is compared. */
  comparesService(): void;
}

export interface Probe {
  begin(): void;
  /** The check on hand has taken too long: its connection ends, and nobody is told. */
  abort(): void;
  close(): void;
}

export interface ProbePlace {
  /** Where checks go: it is none of those that requests go to. */
  readonly endpoint: Endpoint;
  /** Name of the host, where the endpoint has one of its own for checks; '' else. */
  readonly hostname: string;
  readonly cluster: string;
  readonly settings: PoolSettings;
  readonly deps: PoolDeps;
  readonly reusesConnection: boolean;
}
