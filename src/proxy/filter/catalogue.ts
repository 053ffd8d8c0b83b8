/** Every HTTP filter this build knows, but for the router, which ends every chain. */

import { adaptiveConcurrency } from './adaptive-concurrency/filter.ts';
import { admissionControl } from './admission-control/filter.ts';
import { attemptFault } from './attempt-fault/filter.ts';
import { buffer } from './buffer/filter.ts';
import { compressor } from './compressor/filter.ts';
import type { CataloguedFilter } from './contract.ts';
import { cors } from './cors/filter.ts';
import { decompressor } from './decompressor/filter.ts';
import { dynamicForwardProxy } from './dynamic-forward-proxy/filter.ts';
import { fault } from './fault/filter.ts';
import { grpcStats } from './grpc-stats/filter.ts';
import { grpcWeb } from './grpc-web/filter.ts';
import { headerMutation } from './header-mutation/filter.ts';
import { headerToMetadata } from './header-to-metadata/filter.ts';
import { healthCheck } from './health-check/filter.ts';
import { istioStats } from './istio-stats/filter.ts';
import { localRatelimit } from './local-ratelimit/filter.ts';
import { onDemand } from './on-demand/filter.ts';
import { peerMetadata } from './peer-metadata/filter.ts';
import { rbac } from './rbac/filter.ts';
import { setMetadata } from './set-metadata/filter.ts';
import { statefulSession } from './stateful-session/filter.ts';

export const filters: readonly CataloguedFilter[] = [
  adaptiveConcurrency,
  admissionControl,
  attemptFault,
  buffer,
  compressor,
  cors,
  decompressor,
  dynamicForwardProxy,
  fault,
  grpcStats,
  grpcWeb,
  headerMutation,
  headerToMetadata,
  healthCheck,
  istioStats,
  localRatelimit,
  onDemand,
  peerMetadata,
  rbac,
  setMetadata,
  statefulSession,
];
