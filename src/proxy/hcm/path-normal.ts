/**
 * Normal paths of requests, as `normalize_path` and its neighbours ask for: dot segments are gone, what needs no
 * escape has none, what needs one has it. Byte for byte what Envoy makes of a path, which is what browsers do
 * (WHATWG URL, path state).
 */

export interface PathRules {
  readonly normalize: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward';
}

export interface NormalPath {
  readonly path: string;
  /** Whether the client is asked to come back with it, or refused. */
  readonly verdict: 'go' | 'redirect' | 'refuse';
}

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
const PERCENT = 0x25;
const QUESTION = 0x3f;
const NUL = 0;

/** What a character of a path is written as, wherever it stands. */
const AS_IT_IS = 0;
/** Likewise, and it never has an escape. */
const BARE = 1;
const ESCAPED = 2;
const kinds: Uint8Array = new Uint8Array(256).fill(ESCAPED);
for (const char of "!$%&'()*+,/:;=?@[]\\") kinds[char.charCodeAt(0)] = AS_IT_IS;
for (const char of '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')
  kinds[char.charCodeAt(0)] = BARE;

/** Whether the path is what any rules would make of it; most are. */
export function isNormalPath(target: string): boolean {
  let before = 0;
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === QUESTION) return true;
    if (code === PERCENT || code === BACKSLASH || code > 0x7f || kinds[code] === ESCAPED) return false;
    if (before === SLASH && (code === SLASH || code === DOT)) return false;
    before = code;
  }
  return true;
}

export function normalizePath(target: string, rules: PathRules): NormalPath {
  const question = target.indexOf('?');
  let path = question === -1 ? target : target.slice(0, question);
  const query = question === -1 ? '' : target.slice(question);
  let verdict: NormalPath['verdict'] = 'go';
  if (rules.escapedSlashes !== 'keep' && /%2f|%5c/i.test(path)) {
    path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
    if (rules.escapedSlashes === 'reject') return { path: path + query, verdict: 'refuse' };
    if (rules.escapedSlashes === 'redirect') verdict = 'redirect';
  }
  if (rules.normalize) {
    const normal = canonical(path);
    if (normal === undefined) return { path: path + query, verdict: 'refuse' };
    path = normal;
  }
  if (rules.mergeSlashes) path = path.replace(/\/{2,}/g, '/');
  return { path: path + query, verdict };
}

/** Undefined where there is an escaped NUL. */
function canonical(path: string): string | undefined {
  let out = '';
  let at = 0;
  while (at < path.length) {
    const dot = dotLength(path, at);
    if (dot > 0) {
      at += dot;
      if (!out.endsWith('/')) {
        out += '.';
        continue;
      }
      const second = dotLength(path, at);
      if (endsSegment(path, at)) at++;
      else if (second > 0 && endsSegment(path, at + second)) {
        out = parentOf(out);
        at += second + 1;
      } else out += '.';
      continue;
    }
    const code = path.charCodeAt(at);
    const escaped = code === PERCENT ? hexAt(path, at + 1) : -1;
    if (escaped === NUL || code === NUL) return undefined;
    if (escaped === -1) {
      out += written(path, at, code);
      at++;
    } else {
      out += kinds[escaped] === BARE ? String.fromCharCode(escaped) : path.slice(at, at + 3);
      at += 3;
    }
  }
  return out;
}

/** A character that stands for itself. */
function written(path: string, at: number, code: number): string {
  if (code === BACKSLASH) return '/';
  const isEscaped = code > 0x7f || kinds[code] === ESCAPED;
  return isEscaped ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : path[at]!;
}

/** How many characters a dot has that stands there, 0 for no dot. */
function dotLength(path: string, at: number): number {
  const code = path.charCodeAt(at);
  if (code === DOT) return 1;
  return code === PERCENT && hexAt(path, at + 1) === DOT ? 3 : 0;
}

function endsSegment(path: string, at: number): boolean {
  if (at >= path.length) return true;
  const code = path.charCodeAt(at);
  return code === SLASH || code === BACKSLASH;
}

/** @param out ends with a slash; the root is its own parent */
function parentOf(out: string): string {
  return out.length === 1 ? out : out.slice(0, Math.max(out.lastIndexOf('/', out.length - 2), 0) + 1);
}

/** The octet that two digits say, -1 where there are none. */
function hexAt(path: string, at: number): number {
  const high = digit(path.charCodeAt(at));
  const low = digit(path.charCodeAt(at + 1));
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
