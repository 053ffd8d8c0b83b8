/** Connections made before there are requests for them (Envoy, `preconnect_policy`). */

export interface Preconnect {
  /** How many requests an endpoint is to be ready for, for each that it has; 1: for no others. */
  readonly perUpstream: number;
  /** The same of a cluster, whose next endpoints are known. */
  readonly predictive: number;
}

export const noPreconnect: Preconnect = { perUpstream: 1, predictive: 1 };

/** The most connections that are begun ahead at once. */
export const MOST_AHEAD = 3;

/** What connections there are for. */
export interface Provision {
  readonly pending: number;
  readonly active: number;
  /** Requests that connections could take besides, those that are being made included. */
  readonly capacity: number;
}

/** @param anticipated requests that are about to come */
export function needsMore({ pending, active, capacity }: Provision, ratio: number, anticipated = 0): boolean {
  return (pending + active + anticipated) * ratio > capacity + active;
}
