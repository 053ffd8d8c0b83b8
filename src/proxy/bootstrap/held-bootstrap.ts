/** The bootstrap of a proxy that runs: what it goes on needing, and the rest for who asks to see it. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Bootstrap, BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { streamCarriers } from './settings.ts';

export class HeldBootstrap {
  readonly node: Node | undefined;
  readonly #carriers: ReadonlySet<string>;
  #held: Bootstrap | Uint8Array;

  constructor(bootstrap: Bootstrap) {
    this.node = bootstrap.node;
    this.#held = bootstrap;
    this.#carriers = streamCarriers(bootstrap);
  }

  /** Whether streams to a management server may go by the cluster of that name. */
  carriesStreams(cluster: string): boolean {
    return this.#carriers.has(cluster);
  }

  /** Keeps the bytes alone, which take a tenth of the memory. */
  pack(): void {
    if (!(this.#held instanceof Uint8Array)) this.#held = toBinary(BootstrapSchema, this.#held);
  }

  /** Decoded anew each time, once it is packed. */
  get message(): Bootstrap {
    return this.#held instanceof Uint8Array ? fromBinary(BootstrapSchema, this.#held) : this.#held;
  }
}
