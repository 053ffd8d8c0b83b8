/**
 * By what a weighted route keeps the requests of one user on one version: an annotation of a VirtualService, as Istio
 * has no field for it.
 */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Decoder } from './decode/decoder.ts';
import { text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

/** `off`, `header:NAME`, `cookie:NAME`, `query:NAME` or `source-ip`. */
export const stickyWeightsAnnotation = 'heddle.dev/sticky-weights';

export type StickyWeights =
  | { readonly by: 'nothing' }
  | { readonly by: 'header' | 'cookie' | 'query'; readonly name: string }
  | { readonly by: 'source-ip' };

const kinds = ['off', 'header', 'cookie', 'query', 'source-ip'] as const;

/** Undefined: it is none. */
export function parseStickyWeights(written: string): StickyWeights | undefined {
  if (written === 'off') return { by: 'nothing' };
  if (written === 'source-ip') return { by: 'source-ip' };
  const [by, name = '', ...more] = written.split(':');
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || more.length > 0) return undefined;
  return by === 'header' || by === 'cookie' || by === 'query' ? { by, name } : undefined;
}

export const stickyWeights: Decoder<StickyWeights> = refined(
  text,
  (decoded, path, report) =>
    parseStickyWeights(decoded) ??
    report.error(
      path,
      `${JSON.stringify(decoded)} does not say by what requests belong together`,
      didYouMean(decoded.split(':')[0] ?? '', kinds) ??
        'write off, header:NAME, cookie:NAME, query:NAME or source-ip',
    ),
);
