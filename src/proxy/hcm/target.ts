/** What a connection manager asks of host and path before it looks for a route. */
import { hasHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { LocalReply } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import { isNormalPath, normalizePath } from './path-normal.ts';
import type { HcmRuntime } from './runtime.ts';

interface Head {
  readonly method: string;
  path: string;
  authority: string;
  requestHeaders: string[];
}

const SLASH = 0x2f;

/** Makes path and authority what they are to the rest; a reply where they cannot be had. */
export function readTarget(
  head: Head,
  marks: number,
  minor: number,
  major: number,
  { settings, stats }: HcmRuntime,
): LocalReply | undefined {
  if (major === 2 ? head.authority === '' : (marks & mark.host) === 0) {
    if (minor === 1 || settings.defaultHostForHttp10 === '') return replyTo('MISSING_HOST');
    head.authority = settings.defaultHostForHttp10;
  }
  if (head.method === 'QUERY' && !hasHeader(head.requestHeaders, 'content-type')) {
    return replyTo('QUERY_WITHOUT_TYPE');
  }
  if (head.method === 'CONNECT' && head.path === '') return undefined;
  if (head.path.charCodeAt(0) !== SLASH) {
    stats.downstream_rq_non_relative_path.inc();
    return replyTo('BAD_TARGET');
  }
  const { pathRules } = settings;
  if (head.path.includes('#')) {
    stats.downstream_rq_failed_path_normalization.inc();
    return replyTo('BAD_PATH');
  }
  if (pathRules === undefined || isNormalPath(head.path)) return undefined;
  const normal = normalizePath(head.path, pathRules);
  head.path = normal.path;
  if (normal.verdict === 'go') return undefined;
  if (normal.verdict === 'refuse') {
    stats.downstream_rq_failed_path_normalization.inc();
    return replyTo('BAD_PATH');
  }
  stats.downstream_rq_redirected_with_normalized_path.inc();
  return { ...replyTo('PATH_REDIRECT'), headers: ['location', normal.path] };
}
