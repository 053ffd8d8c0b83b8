/** Patches of an HTTP connection manager: its HTTP filters, and the routes that stand in it. */
import { clone } from '@bufbuild/protobuf';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { packAny, unpackAny } from '#xds/registry.ts';
import { copyOf, type Edit, mergePatch } from './edit.ts';
import { patchFilters } from './list.ts';
import { nameMatches } from './match.ts';
import type { CompiledPatch } from './patch-set.ts';
import { patchRouteTable } from './routes.ts';

/** Filters that authenticate, and those that authorize: their order is Istio's. */
const authentication = ['envoy.filters.http.jwt_authn', 'istio_authn'];
const authorization = ['envoy.filters.http.ext_authz', 'envoy.filters.http.rbac'];
const statistics = ['heddle.filters.http.istio_stats', 'istio.stats'];
const router = 'envoy.filters.http.router';
/** Stand before everything: they find out who calls. */
const peers = ['heddle.filters.http.peer_metadata'];

/** @param filter changed; left alone where it is no connection manager */
export function patchManager(filter: Filter, edit: Edit): void {
  if (filter.configType.case !== 'typedConfig') return;
  const unpacked = unpackAny(filter.configType.value);
  if (!unpacked.ok || unpacked.schema.typeName !== HttpConnectionManagerSchema.typeName) return;
  const manager = clone(HttpConnectionManagerSchema, unpacked.message as HttpConnectionManager);
  const own: Edit = { ...edit, applied: new Set() };
  manager.httpFilters = patchFilters<HttpFilter>(manager.httpFilters, {
    edit: own,
    patches: edit.patches.filter(
      (patch) =>
        patch.applyTo === 'HTTP_FILTER' &&
        nameMatches(patch.match.listener?.filterChain?.filter?.name, filter.name),
    ),
    matches: (patch, { name }) => nameMatches(wantedFilter(patch), name),
    names: (patch) => wantedFilter(patch) !== undefined,
    merge: (one, patch) => mergePatch(HttpFilterSchema, one, patch),
    valueOf: (patch) => copyOf(HttpFilterSchema, patch),
    placeOf: ({ filterClass }, filters) => placeOfClass(filterClass, filters),
  });
  const { routeSpecifier } = manager;
  if (routeSpecifier.case === 'routeConfig') patchRouteTable(routeSpecifier.value, own);
  if (own.applied.size === 0) return;
  for (const patch of own.applied) edit.applied.add(patch);
  filter.configType = { case: 'typedConfig', value: packAny(HttpConnectionManagerSchema, manager) };
}

function wantedFilter({ match }: CompiledPatch): string | undefined {
  return match.listener?.filterChain?.filter?.subFilter?.name;
}

/** Behind the last filter of the class, or of one before it; those that count stand before Istio's own that are behind these. */
function placeOfClass(
  filterClass: CompiledPatch['filterClass'],
  filters: readonly HttpFilter[],
): number | undefined {
  if (filterClass === 'UNSPECIFIED') return undefined;
  const behind = (names: readonly string[]): number =>
    filters.findLastIndex(({ name }) => names.includes(name)) + 1;
  const start = behind([...peers, ...statistics]);
  const authenticated = Math.max(behind(authentication), start);
  if (filterClass === 'AUTHN') return authenticated;
  if (filterClass === 'AUTHZ') return Math.max(authenticated, behind(authorization));
  const end = filters.findIndex(({ name }) => name === router);
  return end < 0 ? filters.length : end;
}
