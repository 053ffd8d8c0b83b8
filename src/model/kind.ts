/** What the catalogue knows about a kind: its names, its scope and the fields beside `metadata`. */
import type { Decoder, Report } from './decode/decoder.ts';
import type { Field } from './decode/object.ts';
import type { ResourceBase } from './metadata.ts';

export interface KindDefinition<R extends ResourceBase<string, unknown>> {
  readonly kind: R['kind'];
  /** API group, such as `networking.istio.io`; empty for Kubernetes' core. */
  readonly group: string;
  /** All versions that are read; they mean the same. */
  readonly versions: readonly string[];
  readonly scope: 'namespace' | 'mesh';
  /** What it is for, in Markdown, for its page in the reference. */
  readonly about: string;
  /** Fields of the document beside `apiVersion`, `kind` and `metadata`. */
  readonly fields: {
    readonly spec?: Field<R['spec']>;
    // biome-ignore lint/suspicious/noExplicitAny: only `spec` and `status` reach the resource.
    readonly [name: string]: Field<any> | undefined;
  };
  /** Values of annotations that mean something here; others are anybody's. */
  readonly annotations?: Readonly<Record<string, Decoder<unknown>>>;
  /**
   * A broken document of this kind holds back the whole set of its source where no version of it is in force, and none of
   * this kind goes away while anything is broken: what it was meant to close must not be open because of a slip.
   */
  readonly guards?: boolean | ((resource: Pick<R, 'kind' | 'metadata'>) => boolean);
  /** Looks at the whole document, once every field is good. */
  readonly check?: (resource: R, report: Report) => void;
}
