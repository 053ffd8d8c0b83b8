/** Redirects: answers with the location a route says. */
import type { AccessRecord } from '#observe/access-record.ts';
import {
  type RedirectAction,
  RedirectAction_RedirectResponseCode as RedirectCode,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { byteString, type Findings } from '../findings.ts';
import type { HeaderSource } from './header-match.ts';
import type { MatchedPath } from './path-match.ts';
import { compileFormattedPath, compilePathRewrite, type FormattedPath } from './path-rewrite.ts';

export interface Redirect {
  readonly kind: 'redirect';
  readonly status: number;
  location(source: HeaderSource & AccessRecord, secure: boolean): string;
}

const redirectStatus: Readonly<Record<number, number>> = {
  [RedirectCode.MOVED_PERMANENTLY]: 301,
  [RedirectCode.FOUND]: 302,
  [RedirectCode.SEE_OTHER]: 303,
  [RedirectCode.TEMPORARY_REDIRECT]: 307,
  [RedirectCode.PERMANENT_REDIRECT]: 308,
};

export function compileRedirect(
  action: RedirectAction,
  matched: MatchedPath,
  path: string,
  findings: Findings,
): Redirect {
  const { schemeRewriteSpecifier: scheme, pathRewriteSpecifier: to } = action;
  let newPath: FormattedPath | undefined;
  if (to.case === 'prefixRewrite') newPath = compilePathRewrite(to.value, undefined, matched, path, findings);
  else if (to.case === 'regexRewrite') newPath = compilePathRewrite('', to.value, matched, path, findings);
  else if (to.case === 'pathRewrite')
    newPath = compileFormattedPath(to.value, `${path}.path_rewrite`, findings);
  const pathRedirect = to.case === 'pathRedirect' ? byteString(to.value) : undefined;
  return {
    kind: 'redirect',
    status: redirectStatus[action.responseCode] ?? 301,
    location(source, secure) {
      const old = secure ? 'https' : 'http';
      const next =
        scheme.case === 'httpsRedirect' && scheme.value
          ? 'https'
          : scheme.case === 'schemeRedirect' && scheme.value !== ''
            ? scheme.value
            : old;
      const host = redirectHost(action, source.authority, old, next);
      let target = source.path;
      const question = target.indexOf('?');
      const query = question === -1 ? '' : target.slice(question);
      if (pathRedirect !== undefined && pathRedirect !== '') {
        target = pathRedirect.includes('?') || query === '' ? pathRedirect : pathRedirect + query;
      } else if (newPath !== undefined) target = newPath(target, source) ?? target;
      if (action.stripQuery && (pathRedirect === undefined || !pathRedirect.includes('?')))
        target = target.split('?', 1)[0]!;
      return `${next}://${host}${target}`;
    },
  };
}

function redirectHost(
  action: RedirectAction,
  authority: string,
  oldScheme: string,
  newScheme: string,
): string {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon !== -1 && authority.indexOf(']', colon) === -1;
  let host = action.hostRedirect === '' ? authority : byteString(action.hostRedirect);
  if (action.portRedirect !== 0) {
    const at = host.lastIndexOf(':');
    if (at !== -1 && host.indexOf(']', at) === -1) host = host.slice(0, at);
    return `${host}:${action.portRedirect}`;
  }
  if (action.hostRedirect !== '' || !hasPort || oldScheme === newScheme) return host;
  // The default port of the old scheme means nothing in the new one.
  const port = authority.slice(colon + 1);
  return port === (oldScheme === 'http' ? '80' : '443') ? authority.slice(0, colon) : host;
}
