/** Names of hosts and their addresses, as clusters ask for them. */

/** Resolvers of a cluster's own (Envoy, `CaresDnsResolverConfig`). */
export interface ResolverSettings {
  /** `ADDRESS:PORT`, at least one. */
  readonly servers: readonly string[];
  /** Of one try at one server; undefined: as the runtime has it. */
  readonly timeoutMs: number | undefined;
  readonly tries: number | undefined;
  /** Whether names are looked up as they stand alone, and not below the machine's search domains. */
  readonly asTheyStand: boolean;
}

export interface Lookup {
  readonly host: string;
  readonly family: 4 | 6;
  /** Undefined: the machine's way, with its hosts file. */
  readonly resolver: ResolverSettings | undefined;
  readonly wantsTtl: boolean;
}

export interface FoundAddresses {
  /** Empty where there is no such name, or none with an address of that family. */
  readonly addresses: readonly string[];
  /** How long they hold; undefined where nobody said. */
  readonly ttlS: number | undefined;
}

/** Rejects where nobody could say. */
export type LookUp = (lookup: Lookup) => Promise<FoundAddresses>;
