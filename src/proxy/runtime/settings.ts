/** `layered_runtime` of a bootstrap, read once. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Report } from '../bootstrap/settings.ts';
import { Findings } from '../findings.ts';
import { readWanted, type Wanted } from '../resource-source.ts';
import { entryOf, type RuntimeEntries, type RuntimeEntry } from './entry.ts';
import { isHonoured, isReserved } from './known-keys.ts';

export type RuntimeLayerSettings = { readonly name: string } & (
  | { readonly kind: 'static'; readonly entries: RuntimeEntries }
  /** `watched` is a symbolic link that is swapped. */
  | { readonly kind: 'disk'; readonly watched: string; readonly folder: string }
  | { readonly kind: 'admin' }
  /** `path` is that of its source. */
  | { readonly kind: 'rtds'; readonly wanted: Wanted }
);

/** Later layers override earlier ones. */
export function readRuntimeLayers(
  { layeredRuntime, node }: Bootstrap,
  report: Report,
): RuntimeLayerSettings[] {
  if (layeredRuntime === undefined) return [];
  const { layers } = layeredRuntime;
  if (layers.length === 0) return [{ name: '', kind: 'admin' }];
  const names = new Set<string>();
  let admins = 0;
  return layers.flatMap(({ name, layerSpecifier: layer }, i): RuntimeLayerSettings[] => {
    const at = `layered_runtime.layers[${i}]`;
    if (name === '') report(`${at}.name`, 'is missing');
    if (names.has(name)) report(`${at}.name`, `another layer is named "${name}"`);
    names.add(name);
    switch (layer.case) {
      case 'staticLayer':
        return [{ name, kind: 'static', entries: readStatic(layer.value, `${at}.static_layer`, report) }];
      case 'diskLayer': {
        const { symlinkRoot, subdirectory, appendServiceCluster } = layer.value;
        if (symlinkRoot === '') report(`${at}.disk_layer.symlink_root`, 'is missing');
        const cluster = node?.cluster ?? '';
        if (appendServiceCluster && cluster === '') {
          report(
            `${at}.disk_layer.append_service_cluster`,
            'needs node.cluster: set it here or with --service-cluster',
          );
        }
        const path = [symlinkRoot, subdirectory, ...(appendServiceCluster ? [cluster] : [])];
        const folder = path.filter((part) => part !== '').join('/');
        return [{ name, kind: 'disk', watched: symlinkRoot, folder }];
      }
      case 'adminLayer':
        if (++admins > 1) report(`${at}.admin_layer`, 'too many admin layers: one is all there may be');
        return [{ name, kind: 'admin' }];
      case 'rtdsLayer': {
        const { name: resource, rtdsConfig } = layer.value;
        if (resource === '') report(`${at}.rtds_layer.name`, 'is missing');
        if (rtdsConfig === undefined) report(`${at}.rtds_layer.rtds_config`, 'is missing');
        const findings = new Findings();
        const wanted = readWanted(resource, rtdsConfig, `${at}.rtds_layer.rtds_config`, findings);
        for (const { path, message, level } of findings.problems) report(path ?? '', message, level);
        return [{ name, kind: 'rtds', wanted }];
      }
      default:
        report(at, 'must be a static_layer, a disk_layer, an admin_layer or an rtds_layer');
        return [];
    }
  });
}

/** Those that come from servers and from files of resources. */
export function layersOfServers(layers: readonly RuntimeLayerSettings[]): readonly Wanted[] {
  return layers.flatMap((layer) => (layer.kind === 'rtds' ? [layer.wanted] : []));
}

/** Objects in one another are keys with dots. */
export function readStatic(layer: JsonObject, at: string, report: Report): RuntimeEntries {
  const entries = new Map<string, RuntimeEntry>();
  const collect = (value: JsonValue, key: string, path: string): void => {
    if (value === null || Array.isArray(value)) {
      report(path, 'must be a number, a text, a boolean or a fraction');
      return;
    }
    if (typeof value === 'object' && !isFraction(value)) {
      for (const [name, inner] of Object.entries(value))
        collect(inner, `${key}.${name}`, `${path}${step(name)}`);
      return;
    }
    entries.set(key, entryOf(value));
    if (isReserved(key) && !isHonoured(key))
      report(path, 'has no effect: this runtime key is not supported', 'warning');
  };
  for (const [name, value] of Object.entries(layer)) collect(value, name, `${at}${step(name)}`);
  return entries;
}

function step(name: string): string {
  return /^\w+$/.test(name) ? `.${name}` : `["${name}"]`;
}

/** Or empty, as Envoy has it. */
function isFraction(value: JsonObject): boolean {
  return Object.keys(value).length === 0 || 'numerator' in value || 'denominator' in value;
}
