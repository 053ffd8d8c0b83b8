/** One update of virtual hosts (VHDS): all that it says of one RouteConfiguration takes effect, or nothing of that (Envoy). */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Problem } from '#core/problem.ts';
import { inSlices, timeSlices } from '#core/time-slice.ts';
import type { Update } from '#xds/client/contract.ts';
import type { VirtualHost } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { forgetUnpacked } from '#xds/registry.ts';
import { resourceTypes } from '#xds/resource-type.ts';
import { examine } from '#xds/unknown-fields.ts';
import type { ResourceSource } from '../resource-source.ts';
import type { Configuration } from './configuration.ts';
import type { Outcome } from './stream.ts';
import { duplicate, isGood, repeated, type UnknownFieldsDeps, unknownProblems } from './update-problems.ts';

export interface HostReceiverDeps extends UnknownFieldsDeps {
  readonly configuration: Configuration;
}

/** What it says of one RouteConfiguration. */
interface Part {
  readonly hosts: VirtualHost[];
  readonly names: string[];
  readonly resources: string[];
  readonly removed: string[];
}

export async function receiveHosts(
  deps: HostReceiverDeps,
  update: Update<'virtualHost'>,
  source: ResourceSource,
): Promise<Outcome> {
  const { configuration } = deps;
  const breathe = timeSlices();
  const anys: Any[] = [];
  const parts = new Map<string, Part>();
  const partOf = (name: string): Part => {
    const namespace = namespaceOf(name);
    const part = parts.get(namespace) ?? { hosts: [], names: [], resources: [], removed: [] };
    parts.set(namespace, part);
    return part;
  };
  const names = update.changed.map(({ name }) => name);
  const problems: Problem[] = [...repeated(names)].map((name) => ({
    ...duplicate,
    resource: `VHDS ${name}`,
  }));
  for (const received of update.changed) {
    const { name, aliases = [], isAbsent = false } = received;
    const part = partOf(name);
    part.names.push(name, ...aliases);
    part.resources.push(name);
    if (isAbsent) continue;
    const resource = `VHDS ${name}`;
    const read = await inSlices(received.decoded(), breathe);
    if (!read.ok) {
      problems.push({ level: 'error', message: read.detail, resource });
      continue;
    }
    const host = read.message as VirtualHost;
    const examined = await inSlices(examine(resourceTypes.virtualHost.schema, host), breathe);
    anys.push(...examined.anys);
    for (const problem of unknownProblems(deps, 'virtualHost', name, examined.unknown))
      problems.push({ ...problem, resource });
    part.hosts.push(host);
  }
  for (const name of update.removed) partOf(name).removed.push(name);
  const applied: string[] = [];
  if (isGood([...update.problems, ...problems])) {
    for (const [namespace, part] of parts) {
      const found: Problem[] = [];
      for (const key of configuration.hosts.keysOf(namespace, source))
        found.push(
          ...(await inSlices(configuration.offerHosts(key, { ...part, version: update.version }), breathe)),
        );
      if (isGood(found)) applied.push(...part.resources);
      problems.push(...found);
    }
  }
  for (const any of anys) forgetUnpacked(any);
  if (!isGood([...update.problems, ...problems])) configuration.hosts.refused(source);
  return { problems, applied };
}

/** The routes that a virtual host belongs to: `shop` of `shop/a.example`. */
function namespaceOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}
