/**
 * `/config_dump`: the configuration in force, on its way and refused, as `envoy.admin.v3.ConfigDump`
 * in ProtoJSON with snake_case names. Private keys are left out.
 */
import type { JsonObject, JsonValue, Message } from '@bufbuild/protobuf';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { plainFromMessage } from '#xds/plain.ts';
import { typeUrlOf } from '#xds/registry.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import type { RefusedVersion, ResourceEntry, ResourceVersion } from '../apply/resource-table.ts';
import { inlineRoutes } from '../route/inline-routes.ts';
import { type AdminPage, type AdminReply, type AdminView, jsonReply, textReply } from './contract.ts';
import { type NameFilter, nameFilter } from './name-filter.ts';
import { redacted } from './redact.ts';

export const configDumpPage: AdminPage = {
  path: '/config_dump',
  method: 'GET',
  help: 'dump current Envoy configs (include_eds, resource=FIELD, name_regex=REGEX)',
  answer(query, view): AdminReply {
    if (query.has('mask')) return textReply('mask is not supported: use resource and name_regex\n', 400);
    const names = nameFilter(query.get('name_regex'));
    if (names === undefined) return textReply(`Error parsing regex: ${query.get('name_regex')}\n`, 400);
    const sections = dumpSections(view, query.has('include_eds')).map((section) => filtered(section, names));
    const wanted = query.get('resource');
    const configs = wanted === null ? sections.map(sectionJson) : resourceOnly(sections, wanted);
    if (configs === undefined) return textReply(`${wanted} not found in config dump\n`, 404);
    return jsonReply(redacted({ configs }));
  },
};

/** One message of the dump: scalar fields, and lists of entries by field name. */
interface Section {
  readonly type: string;
  readonly fields: JsonObject;
  readonly lists: Readonly<Record<string, readonly DumpEntry[]>>;
}

interface DumpEntry {
  readonly name: string;
  /** Type of the entry, under that of the section. */
  readonly type: string;
  readonly json: JsonObject;
}

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
  const { table, bootstrap } = view;
  const bootstrapSection: Section = {
    type: 'BootstrapConfigDump',
    fields: {
      bootstrap: plainFromMessage(BootstrapSchema, bootstrap),
      last_updated: new Date(view.startedMs).toISOString(),
    },
    lists: {},
  };
  return [
    bootstrapSection,
    twoStates(view, clusterNames, ['dynamic_active_clusters', 'dynamic_warming_clusters']),
    ...(includeEndpoints
      ? [oneState(table.entries('endpoint'), endpointNames, 'dynamic_endpoint_configs')]
      : []),
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
  const inState = (state: 'active' | 'warming'): DumpEntry[] =>
    dynamic.flatMap((entry) => {
      const held = entry[state];
      return held === undefined ? [] : [dynamicEntry(entry, held, names)];
    });
  // What was only ever refused has no state: Envoy shows it among the warming.
  const onlyRefused = dynamic.filter((entry) => entry.active === undefined && entry.warming === undefined);
  return {
    type: names.section,
    fields: version === '' || names.kind === 'secret' ? {} : { version_info: version },
    lists: {
      [names.staticList]: staticEntries(entries, names),
      [active]: inState('active'),
      [warming]: [
        ...inState('warming'),
        ...onlyRefused.map((entry) => dynamicEntry(entry, undefined, names)),
      ],
    },
  };
}

/** Kinds with one dynamic list. */
function oneState(entries: readonly ResourceEntry[], names: KindNames, list: string): Section {
  const dynamic = entries.filter(({ origin }) => origin === 'dynamic');
  return {
    type: names.section,
    fields: {},
    lists: {
      [names.staticList]: staticEntries(entries, names),
      [list]: dynamic.map((entry) => dynamicEntry(entry, entry.active ?? entry.warming, names)),
    },
  };
}

function listeners({ table }: AdminView): Section {
  const entries = table.entries('listener');
  const version = table.systemVersion('listener');
  const state = (held: ResourceVersion): JsonObject => versionJson(held, listenerNames);
  return {
    type: 'ListenersConfigDump',
    fields: version === '' ? {} : { version_info: version },
    lists: {
      static_listeners: staticEntries(entries, listenerNames),
      dynamic_listeners: entries
        .filter(({ origin }) => origin === 'dynamic')
        .map((entry) => ({
          name: entry.name,
          type: 'DynamicListener',
          json: {
            name: entry.name,
            ...(entry.active === undefined ? {} : { active_state: state(entry.active) }),
            ...(entry.warming === undefined ? {} : { warming_state: state(entry.warming) }),
            ...refusalJson(entry.refused, listenerNames),
          },
        })),
    },
  };
}

/** Route tables that stand inside listeners are static, as Envoy shows them. */
function routes({ table }: AdminView): Section {
  const section = oneState(table.entries('route'), routeNames, 'dynamic_route_configs');
  const inline = table.entries('listener').flatMap(({ active }) => {
    if (active === undefined) return [];
    return inlineRoutes(active.message as Listener).map(({ routes: route }): DumpEntry => {
      const route_config = withType(
        typeUrlOf(RouteConfigurationSchema),
        plainFromMessage(RouteConfigurationSchema, route),
      );
      return {
        name: route.name,
        type: routeNames.staticType,
        json: { route_config, last_updated: new Date(active.updatedMs).toISOString() },
      };
    });
  });
  const known = section.lists[routeNames.staticList] ?? [];
  return { ...section, lists: { ...section.lists, [routeNames.staticList]: [...known, ...inline] } };
}

function staticEntries(entries: readonly ResourceEntry[], names: KindNames): DumpEntry[] {
  return entries
    .filter(({ origin }) => origin === 'static')
    .flatMap(({ name, active, warming }) => {
      const held = active ?? warming;
      if (held === undefined) return [];
      const json = versionJson(held, names);
      return [{ name, type: names.staticType, json: names.kind === 'secret' ? { name, ...json } : json }];
    });
}

function dynamicEntry(entry: ResourceEntry, held: ResourceVersion | undefined, names: KindNames): DumpEntry {
  const { name } = entry;
  const json: JsonObject = {
    ...(names.kind === 'secret' ? { name } : {}),
    ...(held === undefined ? {} : versionJson(held, names)),
    ...refusalJson(entry.refused, names),
  };
  return { name, type: names.dynamicType, json };
}

function versionJson({ version, message, updatedMs }: ResourceVersion, names: KindNames): JsonObject {
  return {
    ...(version === '' ? {} : { version_info: version }),
    [names.field]: resourceJson(message, names.kind),
    last_updated: new Date(updatedMs).toISOString(),
  };
}

function refusalJson(refused: RefusedVersion | undefined, names: KindNames): JsonObject {
  if (refused === undefined) return {};
  const { version, message, attemptedMs, details } = refused;
  return {
    error_state: {
      ...(message === undefined ? {} : { failed_configuration: resourceJson(message, names.kind) }),
      last_update_attempt: new Date(attemptedMs).toISOString(),
      details,
      ...(version === '' ? {} : { version_info: version }),
    },
    client_status: 'NACKED',
  };
}

function resourceJson(message: Message, kind: ResourceKind): JsonObject {
  const { schema, typeUrl } = resourceTypes[kind];
  return withType(typeUrl, plainFromMessage(schema, message));
}

function withType(typeUrl: string, json: JsonValue): JsonObject {
  return { '@type': typeUrl, ...(json as JsonObject) };
}

const typePrefix = 'type.googleapis.com/envoy.admin.v3.';

function sectionJson({ type, fields, lists }: Section): JsonObject {
  const filled = Object.entries(lists).filter(([, entries]) => entries.length > 0);
  const json = filled.map(([list, entries]) => [list, entries.map((entry) => entry.json)] as const);
  return { '@type': typePrefix + type, ...fields, ...Object.fromEntries(json) };
}

/** `?resource=dynamic_active_clusters`: the entries of that list alone, each with its type. */
function resourceOnly(sections: readonly Section[], wanted: string): JsonObject[] | undefined {
  for (const { type, lists, fields } of sections) {
    const entries = lists[wanted];
    if (entries !== undefined) {
      return entries.map((entry) => ({ '@type': `${typePrefix}${type}.${entry.type}`, ...entry.json }));
    }
    if (wanted === 'bootstrap' && type === 'BootstrapConfigDump')
      return [{ '@type': typePrefix + type, ...fields }];
  }
  return undefined;
}

function filtered(section: Section, names: NameFilter): Section {
  const lists = Object.entries(section.lists).map(
    ([list, entries]) => [list, entries.filter(({ name }) => names(name))] as const,
  );
  return { ...section, lists: Object.fromEntries(lists) };
}
