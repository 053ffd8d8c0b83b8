/**
 * What a registry tells another thread about metrics as they are made, so that their slots can be read
 * there by name. Values are never sent: they are in the shared memory that comes along.
 */

/** In the order of happening. `slots` begins a chunk; without it the chunk before goes on. */
export type Announcement =
  | {
      readonly kind: 'scope';
      readonly path: string;
      readonly family: string;
      readonly labels: Readonly<Record<string, string>>;
    }
  /** Said once of each layout, before a scope has it. */
  | {
      readonly kind: 'layout';
      readonly id: number;
      readonly counters: readonly string[];
      readonly gauges: readonly string[];
      readonly histograms: readonly string[];
    }
  | {
      readonly kind: 'laid';
      readonly path: string;
      readonly layout: number;
      readonly slots: Float64Array;
    }
  | {
      readonly kind: 'counter' | 'gauge';
      readonly path: string;
      readonly name: string;
      readonly at: number;
      readonly slots: Float64Array | undefined;
    }
  | { readonly kind: 'histogram'; readonly path: string; readonly name: string }
  | {
      readonly kind: 'part';
      readonly path: string;
      readonly name: string;
      readonly part: number;
      readonly slots: Float64Array;
    }
  | { readonly kind: 'forget'; readonly path: string }
  | {
      readonly kind: 'family';
      readonly type: 'counter' | 'histogram';
      readonly name: string;
      readonly help: string;
      readonly labelNames: readonly string[];
      readonly bucketBounds: readonly number[];
    }
  | {
      readonly kind: 'row';
      readonly family: string;
      readonly values: readonly string[];
      readonly at: number;
      readonly slots: Float64Array | undefined;
    };

export type Announce = (announcement: Announcement) => void;
