/** What proxies had last, for those resources of which there is no good version now. */
import type { EncodedResource, Snapshot } from '#xds/snapshot.ts';
import type { HeldResource } from '../translate/envoy-filter/apply.ts';
import type { ProxyNode } from '../translate/node.ts';

interface Kept {
  readonly node: ProxyNode;
  readonly snapshot: Snapshot;
}

/** By node, also while it is not connected. */
export class LastGoodSnapshots {
  readonly #kept = new Map<string, Kept>();

  keep(node: ProxyNode, snapshot: Snapshot): void {
    this.#kept.set(node.id, { node, snapshot });
  }

  drop({ id }: ProxyNode): void {
    this.#kept.delete(id);
  }

  /** @param otherwise of a node of which nothing is kept. Of what the node never had there is none. */
  of({ id }: ProxyNode, held: readonly HeldResource[], otherwise: Snapshot): readonly EncodedResource[] {
    const snapshot = this.#kept.get(id)?.snapshot ?? otherwise;
    return held.flatMap(({ kind, name }) => [
      ...[snapshot[kind].get(name)].filter((one) => one !== undefined),
      ...(kind === 'route' ? hostsOf(name, snapshot) : []),
    ]);
  }

  forget(isGone: (node: ProxyNode) => boolean): void {
    for (const [id, { node }] of this.#kept) if (isGone(node)) this.#kept.delete(id);
  }
}

/** Virtual hosts that are resources of their own go with their routes. */
function hostsOf(routes: string, { virtualHost }: Snapshot): readonly EncodedResource[] {
  return [...virtualHost.values()].filter(({ name }) => name.startsWith(`${routes}/`));
}
