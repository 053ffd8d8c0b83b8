/** The policies that send equal hashes to equal endpoints: a table, and perhaps a bound on the load. */
import { atOnce, type Steps } from '#core/time-slice.ts';
import type { Word64 } from '#core/word64.ts';
import { byteString } from '../findings.ts';
import { BoundedLoad } from './bounded-load.ts';
import type { Candidate, Picker, PolicyDefinition, PolicySettings } from './contract.ts';
import { type HashTable, shareTable, type TableAlgorithm } from './hash-table.ts';
import { MAGLEV_TABLE_SIZE, maglevAlgorithm } from './maglev.ts';
import { defaultRingOptions, type RingOptions, ringAlgorithm } from './ring-hash.ts';

/** Envoy, `ConsistentHashingLbConfig`. */
export interface HashingOptions {
  /** Endpoints are placed by their host names instead of their addresses. */
  readonly useHostname: boolean;
  /** Percent of the average load that an endpoint may have, 100 and up; 0: no bound. */
  readonly balanceFactor: number;
}

export const defaultHashingOptions: HashingOptions = { useHostname: false, balanceFactor: 0 };

export function ringHash(
  ring: RingOptions = defaultRingOptions,
  options: HashingOptions = defaultHashingOptions,
): PolicyDefinition {
  return hashingPolicy('ring_hash', ringAlgorithm(ring), options);
}

export function maglev(
  tableSize: number = MAGLEV_TABLE_SIZE,
  options: HashingOptions = defaultHashingOptions,
): PolicyDefinition {
  return hashingPolicy('maglev', maglevAlgorithm(tableSize), options);
}

function hashingPolicy(kind: string, algorithm: TableAlgorithm, options: HashingOptions): PolicyDefinition {
  return {
    kind,
    hashes: true,
    build: (endpoints, weights, settings) =>
      new HashingPicker(endpoints, weights, algorithm, options, settings),
  };
}

/** From here on a table is not made at the first pick: it takes more than a few milliseconds. */
const MANY_ENDPOINTS = 256;
const MANY_ENTRIES = 131_072;
const ENDPOINTS_A_STEP = 128;

/** Makes its table at the first pick, unless it is a large one: a cluster without traffic has none. */
class HashingPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[];
  readonly #weights: readonly number[];
  readonly #algorithm: TableAlgorithm;
  readonly #options: HashingOptions;
  readonly #settings: PolicySettings;
  readonly #bound: BoundedLoad<E> | undefined;
  readonly #random: Word64 = { hi: 0, lo: 0 };
  #table: HashTable | undefined;

  constructor(
    endpoints: readonly E[],
    weights: readonly number[],
    algorithm: TableAlgorithm,
    options: HashingOptions,
    settings: PolicySettings,
  ) {
    this.#endpoints = endpoints;
    this.#weights = weights;
    this.#algorithm = algorithm;
    this.#options = options;
    this.#settings = settings;
    const { balanceFactor } = options;
    this.#bound =
      balanceFactor === 0
        ? undefined
        : new BoundedLoad(endpoints, weights, balanceFactor, () => settings.activeRequests());
  }

  pick(given?: Word64, attempt = 0): E | undefined {
    if (this.#endpoints.length === 0) return undefined;
    const table = this.#table ?? atOnce(this.#build());
    const hash = given ?? this.#drawn();
    const at = table.find(hash, attempt);
    return this.#bound === undefined ? this.#endpoints[at] : this.#bound.settle(at, hash);
  }

  *ready(): Steps<void> {
    const many =
      this.#endpoints.length >= MANY_ENDPOINTS ||
      (this.#endpoints.length > 0 && this.#algorithm.entries(this.#weights) > MANY_ENTRIES);
    if (many) yield* this.#build();
  }

  *#build(): Steps<HashTable> {
    const { useHostname } = this.#options;
    const keys: string[] = [];
    for (const endpoint of this.#endpoints) {
      keys.push(hashKeyOf(endpoint, useHostname));
      if (keys.length % ENDPOINTS_A_STEP === 0) yield;
    }
    const table = yield* shareTable(this.#algorithm, keys, this.#weights);
    this.#table = table;
    for (const [name, value] of Object.entries(table.figures)) {
      this.#settings.report(`${this.#algorithm.statPrefix}.${name}`, value);
    }
    return table;
  }

  #drawn(): Word64 {
    const { random } = this.#settings;
    this.#random.hi = random.below(2 ** 32);
    this.#random.lo = random.below(2 ** 32);
    return this.#random;
  }
}

/** What places an endpoint: `hash_key` of its metadata `envoy.lb`, its host name, or its address. */
function hashKeyOf({ address, traits }: Candidate, useHostname: boolean): string {
  const key = traits.metadata?.filterMetadata['envoy.lb']?.hash_key;
  if (typeof key === 'string' && key !== '') return byteString(key);
  return byteString(useHostname ? traits.hostname : address);
}
