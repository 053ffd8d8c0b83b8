/** Normalisation of request paths (RFC 3986 §6), as `normalize_path` and its neighbours ask for. */

export interface PathRules {
  readonly normalize: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward';
}

/** The path to go on with; `redirect` asks the client to come back with it; undefined refuses it. */
export type NormalPath = { readonly path: string; readonly redirect: boolean } | undefined;

export function normalizePath(target: string, rules: PathRules): NormalPath {
  const question = target.indexOf('?');
  let path = question === -1 ? target : target.slice(0, question);
  const query = question === -1 ? '' : target.slice(question);
  let redirect = false;
  if (rules.escapedSlashes !== 'keep' && /%2f|%5c/i.test(path)) {
    if (rules.escapedSlashes === 'reject') return undefined;
    path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
    redirect = rules.escapedSlashes === 'redirect';
  }
  if (rules.normalize) {
    const normal = removeDotSegments(decodeUnreserved(path.replaceAll('\\', '/')));
    if (normal === undefined) return undefined;
    path = normal;
  }
  if (rules.mergeSlashes) path = path.replace(/\/{2,}/g, '/');
  return { path: path + query, redirect };
}

/** Octets that need no escape are written without one (RFC 3986 §6.2.2.2). */
function decodeUnreserved(path: string): string {
  if (!path.includes('%')) return path;
  return path.replace(/%([0-9a-fA-F]{2})/g, (escaped, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : escaped.toUpperCase();
  });
}

/** RFC 3986 §5.2.4; undefined where `..` climbs above the root. */
function removeDotSegments(path: string): string | undefined {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1;
    if (segment === '.') {
      if (last) out.push('');
    } else if (segment === '..') {
      if (out.length === 0) return undefined;
      out.pop();
      if (last) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}
