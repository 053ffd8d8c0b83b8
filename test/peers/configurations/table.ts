/** All configurations of the comparison, by subject. */
import { answers, headers, redirects, rewrites } from './actions.ts';
import { faults, mirrors, retries } from './attempts.ts';
import type { Configuration } from './configuration.ts';
import { connections } from './connections.ts';
import { balancing, limits, originations } from './destinations.ts';
import { entries, localities } from './entries.ts';
import { gateways, ingresses } from './gateways.ts';
import { matches } from './matches.ts';
import { policies } from './policies.ts';
import { exports, meshes, sidecars } from './scoping.ts';
import { cors, weights } from './weights.ts';

export const table: Readonly<Record<string, readonly Configuration[]>> = {
  matches,
  rewrites,
  redirects,
  answers,
  headers,
  retries,
  faults,
  mirrors,
  weights,
  cors,
  connections,
  balancing,
  limits,
  originations,
  entries,
  localities,
  gateways,
  ingresses,
  exports,
  sidecars,
  meshes,
  policies,
};
