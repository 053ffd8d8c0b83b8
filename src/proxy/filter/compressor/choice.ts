/** Which of the compressors of a chain a client wants (RFC 9110 §12.5.3, as Envoy reads it). */

/** A compressor that would take the response. */
export interface Candidate {
  readonly encoding: string;
  readonly chooseFirst: boolean;
}

export interface EncodingChoice {
  /** `identity`: none. */
  readonly encoding: string;
  readonly why: 'identity' | 'wildcard' | 'compressor' | 'not-valid';
}

const none = (why: 'identity' | 'not-valid'): EncodingChoice => ({ encoding: 'identity', why });

interface Accepted {
  readonly name: string;
  readonly quality: number;
}

/** @param candidates in the order of the chain; of those of one encoding the first counts */
export function chooseEncoding(acceptEncoding: string, candidates: readonly Candidate[]): EncodingChoice {
  const allowed = new Map<string, boolean>();
  for (const { encoding, chooseFirst } of candidates) {
    if (!allowed.has(encoding)) allowed.set(encoding, chooseFirst);
  }
  const accepted = readAccepted(acceptEncoding);
  for (const { name, quality } of accepted) if (quality === 0) allowed.delete(name);
  if (accepted.length === 0 || allowed.size === 0) return none('not-valid');
  let choice: Accepted = { name: 'identity', quality: 0 };
  for (const one of accepted) {
    const { name, quality } = one;
    if (!allowed.has(name) && name !== 'identity' && name !== '*') continue;
    const isBetter = quality > choice.quality;
    if (isBetter || (quality > 0 && quality === choice.quality && allowed.get(name) === true)) choice = one;
  }
  if (choice.quality === 0) return none('not-valid');
  if (choice.name === 'identity') return none('identity');
  if (choice.name !== '*') return { encoding: choice.name, why: 'compressor' };
  return { encoding: allowed.keys().next().value!, why: 'wildcard' };
}

/** Those whose quality cannot be read are left out. */
function readAccepted(header: string): Accepted[] {
  const accepted: Accepted[] = [];
  for (const token of header.split(',')) {
    if (token === '') continue;
    const [name = '', ...rest] = token.split(';');
    const parameter = rest.join(';');
    const equals = parameter.indexOf('=');
    let quality = 1;
    if (equals !== -1 && parameter.slice(0, equals).trim().toLowerCase() === 'q') {
      const text = parameter.slice(equals + 1).trim();
      quality = text === '' ? Number.NaN : Number(text);
    }
    if (!Number.isNaN(quality)) accepted.push({ name: name.trim(), quality });
  }
  return accepted;
}
