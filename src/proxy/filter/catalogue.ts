/** Every HTTP filter this build knows, but for the router, which ends every chain. */
import type { CataloguedFilter } from './contract.ts';
import { dynamicForwardProxy } from './dynamic-forward-proxy/filter.ts';
import { grpcStats } from './grpc-stats/filter.ts';
import { grpcWeb } from './grpc-web/filter.ts';
import { istioStats } from './istio-stats/filter.ts';
import { peerMetadata } from './peer-metadata/filter.ts';

export const filters: readonly CataloguedFilter[] = [
  dynamicForwardProxy,
  grpcStats,
  grpcWeb,
  istioStats,
  peerMetadata,
];
