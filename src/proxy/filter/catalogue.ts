/** Every HTTP filter this build knows, but for the router, which ends every chain. */
import type { CataloguedFilter } from './contract.ts';
import { dynamicForwardProxy } from './dynamic-forward-proxy/filter.ts';

export const filters: readonly CataloguedFilter[] = [dynamicForwardProxy];
