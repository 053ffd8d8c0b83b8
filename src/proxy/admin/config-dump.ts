/**
 * `/config_dump`: the configuration in force, on its way and refused, as `envoy.admin.v3.ConfigDump`
 * in ProtoJSON with snake_case names. Private keys are left out.
 */
import type { Message } from '@bufbuild/protobuf';
import { pausing } from '#core/time-slice.ts';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { forgetUnpacked, typeUrlOf } from '#xds/registry.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { examine } from '#xds/unknown-fields.ts';
import type { RefusedVersion, ResourceEntry, ResourceVersion } from '../apply/resource-table.ts';
import type { FilterKind } from '../contract.ts';
import { nameOfKey } from '../resource-source.ts';
import { inlineRoutes } from '../route/inline-routes.ts';
import { type AdminPage, type AdminReply, type AdminView, lazyJsonReply, textReply } from './contract.ts';
import {
  type DumpEntry,
  type Entries,
  maskedSection,
  resourceOnly,
  type Section,
  sectionJson,
} from './dump-section.ts';
import { parseFieldMask } from './field-mask.ts';
import { type JsonPieceField, type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
import { lazyMessage } from './lazy-message.ts';
import { nameFilter } from './name-filter.ts';

export const configDumpPage: AdminPage = {
  path: '/config_dump',
  method: 'GET',
  help: 'dump the configuration',
  parameters: {
    resource: 'the list to dump, such as dynamic_active_clusters',
    mask: 'a FieldMask: fields to dump, of each entry of the list where there is one',
    name_regex: 'regular expression (RE2) for names',
    include_eds: 'endpoints too',
  },
  answer(query, view): AdminReply {
    const names = nameFilter(query.get('name_regex'));
    if (names === undefined) return textReply(`Error parsing regex: ${query.get('name_regex')}\n`, 400);
    const sections = dumpSections(view, query.has('include_eds'));
    const wanted = query.get('resource');
    const maskText = query.get('mask');
    const mask = maskText === null ? undefined : parseFieldMask(maskText);
    if (wanted !== null) {
      const entries = resourceOnly(sections, wanted, names, mask);
      if (entries === 'unknown') return textReply(`${wanted} not found in config dump`, 404);
      if (entries === 'not masked')
        return textReply(`FieldMask ${maskText} could not be successfully used.`, 400);
      return lazyJsonReply(new LazyObject(() => [['configs', entries]]));
    }
    const shown =
      mask === undefined ? sections : sections.flatMap((section) => maskedSection(section, mask) ?? []);
    if (mask !== undefined && shown.length === 0)
      return textReply(`FieldMask ${maskText} could not be successfully applied to any configs.`, 400);
    const configs = new LazyList(() => shown.map((section) => sectionJson(section, names)));
    return lazyJsonReply(new LazyObject(() => [['configs', configs]]));
  },
};

/** Names of fields and types of one kind's section. */
interface KindNames {
  readonly kind: ResourceKind;
  readonly section: string;
  /** Field that holds the resource, such as `cluster`. */
  readonly field: string;
  readonly staticList: string;
  readonly staticType: string;
  readonly dynamicType: string;
}

const clusterNames: KindNames = {
  kind: 'cluster',
  section: 'ClustersConfigDump',
  field: 'cluster',
  staticList: 'static_clusters',
  staticType: 'StaticCluster',
  dynamicType: 'DynamicCluster',
};
const secretNames: KindNames = {
  kind: 'secret',
  section: 'SecretsConfigDump',
  field: 'secret',
  staticList: 'static_secrets',
  staticType: 'StaticSecret',
  dynamicType: 'DynamicSecret',
};
const routeNames: KindNames = {
  kind: 'route',
  section: 'RoutesConfigDump',
  field: 'route_config',
  staticList: 'static_route_configs',
  staticType: 'StaticRouteConfig',
  dynamicType: 'DynamicRouteConfig',
};
const extensionNames: KindNames = {
  kind: 'extension',
  section: 'EcdsConfigDump',
  field: 'ecds_filter',
  staticList: '',
  staticType: '',
  dynamicType: 'EcdsFilterConfig',
};
const endpointNames: KindNames = {
  kind: 'endpoint',
  section: 'EndpointsConfigDump',
  field: 'endpoint_config',
  staticList: 'static_endpoint_configs',
  staticType: 'StaticEndpointConfig',
  dynamicType: 'DynamicEndpointConfig',
};
const listenerNames: KindNames = {
  kind: 'listener',
  section: 'ListenersConfigDump',
  field: 'listener',
  staticList: 'static_listeners',
  staticType: 'StaticListener',
  dynamicType: 'DynamicListener',
};

function dumpSections(view: AdminView, includeEndpoints: boolean): Section[] {
  const { bootstrap } = view;
  const bootstrapSection: Section = {
    type: 'BootstrapConfigDump',
    fields: [
      ['bootstrap', lazyMessage(BootstrapSchema, bootstrap.message)],
      ['last_updated', new Date(view.startedMs).toISOString()],
    ],
    lists: {},
  };
  return [
    bootstrapSection,
    twoStates(view, clusterNames, ['dynamic_active_clusters', 'dynamic_warming_clusters']),
    ...(includeEndpoints ? [oneState(view, endpointNames, 'dynamic_endpoint_configs')] : []),
    ...extensions(view),
    listeners(view),
    routes(view),
    twoStates(view, secretNames, ['dynamic_active_secrets', 'dynamic_warming_secrets']),
  ];
}

/** Kinds with a list for each state. */
function twoStates({ table }: AdminView, names: KindNames, [active, warming]: [string, string]): Section {
  const entries = table.entries(names.kind);
  const dynamic = entries.filter(({ origin }) => origin === 'dynamic');
  const version = table.systemVersion(names.kind);
  function* inState(state: 'active' | 'warming'): Generator<DumpEntry, void, undefined> {
    for (const entry of dynamic) {
      const held = entry[state];
      if (held !== undefined) yield dynamicEntry(entry, held, names);
    }
  }
  // What was only ever refused has no state: Envoy shows it among the warming.
  function* onTheWay(): Generator<DumpEntry, void, undefined> {
    yield* inState('warming');
    for (const entry of dynamic) {
      if (entry.active === undefined && entry.warming === undefined)
        yield dynamicEntry(entry, undefined, names);
    }
  }
  return {
    type: names.section,
    inside: resourceTypes[names.kind].schema,
    fields: version === '' || names.kind === 'secret' ? [] : [['version_info', version]],
    lists: {
      [names.staticList]: staticEntries(entries, names),
      [active]: () => inState('active'),
      [warming]: onTheWay,
    },
  };
}

/** Kinds with one dynamic list. */
function oneState(
  { table }: AdminView,
  names: KindNames,
  list: string,
  isShown: (entry: ResourceEntry) => boolean = () => true,
): Section {
  const entries = table.entries(names.kind);
  const dynamic = entries.filter((entry) => entry.origin === 'dynamic' && isShown(entry));
  return {
    type: names.section,
    inside: resourceTypes[names.kind].schema,
    fields: [],
    lists: {
      [names.staticList]: staticEntries(entries, names),
      [list]: () => dynamic.map((entry) => dynamicEntry(entry, entry.active ?? entry.warming, names)),
    },
  };
}

/** One for each kind of filters that have their configuration by name (Envoy). */
function extensions({ table, filterKinds }: AdminView): Section[] {
  const kinds: readonly FilterKind[] = ['http', 'network', 'tcp_listener'];
  return kinds.flatMap((kind) => {
    const entries = table.entries('extension').filter(({ name }) => filterKinds(name).has(kind));
    if (entries.length === 0) return [];
    const section: Section = {
      type: extensionNames.section,
      inside: resourceTypes.extension.schema,
      fields: [],
      lists: {
        ecds_filters: () => entries.map((entry) => dynamicEntry(entry, entry.active, extensionNames)),
      },
    };
    return section;
  });
}

function listeners({ table }: AdminView): Section {
  const entries = table.entries('listener');
  const version = table.systemVersion('listener');
  const stateFields = (key: string, held: ResourceVersion | undefined): JsonPieceField[] =>
    held === undefined ? [] : [[key, new LazyObject(() => versionFields(held, listenerNames))]];
  return {
    type: 'ListenersConfigDump',
    inside: resourceTypes.listener.schema,
    fields: version === '' ? [] : [['version_info', version]],
    lists: {
      static_listeners: staticEntries(entries, listenerNames),
      dynamic_listeners: () =>
        entries
          .filter(({ origin }) => origin === 'dynamic')
          .map((entry) => ({
            name: entry.name,
            type: 'DynamicListener',
            fields: () => [
              ['name', entry.name],
              ...stateFields('active_state', entry.active),
              ...stateFields('warming_state', entry.warming),
              ...refusalFields(entry.refused, listenerNames),
            ],
          })),
    },
  };
}

/** Route tables that stand inside listeners are static, as Envoy shows them. */
function routes(view: AdminView): Section {
  const section = oneState(view, routeNames, 'dynamic_route_configs', hasBegun);
  const known = section.lists[routeNames.staticList]!;
  function* all(): Generator<DumpEntry | undefined, void, undefined> {
    yield* known();
    for (const { active } of view.table.entries('listener')) {
      if (active !== undefined) yield* inlineEntries(active);
    }
  }
  return { ...section, lists: { ...section.lists, [routeNames.staticList]: all } };
}

/** Routes whose first virtual hosts have not come are not shown (Envoy). */
function hasBegun({ active, warming }: ResourceEntry): boolean {
  return active !== undefined || (warming?.message as RouteConfiguration | undefined)?.vhds === undefined;
}

function* inlineEntries(held: ResourceVersion): Generator<DumpEntry | undefined, void, undefined> {
  const message = yield* pausing(held.decoded(), undefined);
  const { anys } = yield* pausing(examine(ListenerSchema, message), undefined);
  for (const { routes: route } of inlineRoutes(message as Listener)) {
    yield {
      name: route.name,
      type: routeNames.staticType,
      fields: () => [
        [
          'route_config',
          withType(typeUrlOf(RouteConfigurationSchema), lazyMessage(RouteConfigurationSchema, route)),
        ],
        ['last_updated', new Date(held.updatedMs).toISOString()],
      ],
    };
  }
  for (const any of anys) forgetUnpacked(any);
}

function staticEntries(entries: readonly ResourceEntry[], names: KindNames): Entries {
  return function* all(): Generator<DumpEntry, void, undefined> {
    for (const { name, origin, active, warming } of entries) {
      const held = active ?? warming;
      if (origin !== 'static' || held === undefined) continue;
      yield { name, type: names.staticType, fields: () => entryFields(name, held, undefined, names) };
    }
  };
}

function dynamicEntry(entry: ResourceEntry, held: ResourceVersion | undefined, names: KindNames): DumpEntry {
  const { name, refused } = entry;
  return { name, type: names.dynamicType, fields: () => entryFields(name, held, refused, names) };
}

type Fields = Generator<JsonPieceField | undefined, void, undefined>;

function* entryFields(
  name: string,
  held: ResourceVersion | undefined,
  refused: RefusedVersion | undefined,
  names: KindNames,
): Fields {
  if (names.kind === 'secret') yield ['name', nameOfKey(name)];
  if (held !== undefined) yield* versionFields(held, names);
  yield* refusalFields(refused, names);
}

function* versionFields(held: ResourceVersion, names: KindNames): Fields {
  if (held.version !== '') yield ['version_info', held.version];
  const message = yield* pausing(held.decoded(), undefined);
  yield [names.field, resourceJson(message, names.kind)];
  yield ['last_updated', new Date(held.updatedMs).toISOString()];
}

function refusalFields(refused: RefusedVersion | undefined, names: KindNames): JsonPieceField[] {
  if (refused === undefined) return [];
  return [
    ['error_state', new LazyObject(() => refusedFields(refused, names))],
    ['client_status', 'NACKED'],
  ];
}

function* refusedFields(
  { version, decoded, attemptedMs, details }: RefusedVersion,
  names: KindNames,
): Fields {
  if (decoded !== undefined) {
    const message = yield* pausing(decoded(), undefined);
    yield ['failed_configuration', resourceJson(message, names.kind)];
  }
  yield ['last_update_attempt', new Date(attemptedMs).toISOString()];
  yield ['details', details];
  if (version !== '') yield ['version_info', version];
}

function resourceJson(message: Message, kind: ResourceKind): LazyJson {
  const { schema, typeUrl } = resourceTypes[kind];
  return withType(typeUrl, lazyMessage(schema, message));
}

/** @param json an object. */
function withType(typeUrl: string, json: LazyJson): LazyJson {
  if (!(json instanceof LazyObject)) return { '@type': typeUrl, ...(json as object) };
  return new LazyObject(function* typed() {
    yield ['@type', typeUrl] as const;
    yield* json.fields();
  });
}
