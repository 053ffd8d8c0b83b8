/** The request target (RFC 9112 §3.2) as path and authority. */
import { mark } from '#http/header-name.ts';
import { phraseOf } from '#http/status.ts';
import type { LocalReply } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import { normalizePath } from './path-normal.ts';
import type { HcmSettings } from './settings.ts';

interface Head {
  readonly method: string;
  path: string;
  authority: string;
  requestHeaders: string[];
}

const ABSOLUTE = /^(https?):\/\/([^/?#]*)/i;

/** Methods that are known (IANA registry and those of RFC 3253, 4918 and UPnP), as Envoy's codec has them. */
const methods: ReadonlySet<string> = new Set(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS ' +
    'PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
);

const badRequest = (details: string, body = phraseOf(400)): LocalReply => ({
  status: 400,
  body,
  flag: body === '' ? '' : 'DPE',
  details,
});

/** Sets path and authority of a request by HTTP/1; a reply where they cannot be had. */
export function readTarget(
  head: Head,
  marks: number,
  minor: number,
  settings: HcmSettings,
): LocalReply | undefined {
  if (minor === 0 && !settings.acceptHttp10) {
    return { status: 426, body: phraseOf(426), flag: 'DPE', details: 'low_version' };
  }
  if (!methods.has(head.method)) return badRequest('http1.codec_error');
  const { path } = head;
  if (head.method === 'CONNECT') {
    if (path.includes('/') || !path.includes(':')) return badRequest('http1.codec_error');
    head.authority = path;
    head.path = '';
    return undefined;
  }
  if (path.charCodeAt(0) !== 0x2f) {
    if (path === '*' && head.method === 'OPTIONS') return replyTo('BAD_TARGET');
    const absolute = ABSOLUTE.exec(path);
    if (absolute === null || absolute[2] === '') return badRequest('http1.codec_error');
    head.authority = absolute[2]!;
    const rest = path.slice(absolute[0].length);
    head.path = rest.startsWith('/') ? rest : `/${rest}`;
  } else if ((marks & mark.host) === 0) {
    if (minor === 0 && settings.defaultHostForHttp10 !== '') head.authority = settings.defaultHostForHttp10;
    else return { status: 400, body: '', flag: '', details: 'missing_host_header' };
  }
  return checkTarget(head, settings);
}

/** The same for HTTP/2, where both stand in fields of their own. */
export function readPseudoTarget(head: Head, settings: HcmSettings): LocalReply | undefined {
  if (head.authority === '') return { status: 400, body: '', flag: '', details: 'missing_host_header' };
  if (head.method === 'CONNECT') return undefined;
  if (head.path.charCodeAt(0) !== 0x2f) return replyTo('BAD_TARGET');
  return checkTarget(head, settings);
}

function checkTarget(head: Head, settings: HcmSettings): LocalReply | undefined {
  if (!/^[^\s/?#@]*$/.test(head.authority)) return badRequest('http.invalid_authority', '');
  if (head.path.includes('#')) return replyTo('BAD_PATH');
  if (settings.underscores !== 'allow') {
    const refusal = dropUnderscores(head, settings.underscores);
    if (refusal !== undefined) return refusal;
  }
  if (settings.pathRules === undefined) return undefined;
  const normal = normalizePath(head.path, settings.pathRules);
  if (normal === undefined) return replyTo('BAD_PATH');
  head.path = normal.path;
  if (!normal.redirect) return undefined;
  return {
    status: 307,
    body: '',
    flag: '',
    details: 'path_normalization_failed',
    headers: ['location', normal.path],
  };
}

function dropUnderscores(head: Head, action: 'reject' | 'drop'): LocalReply | undefined {
  const headers = head.requestHeaders;
  let found = false;
  for (let i = 0; i < headers.length; i += 2) found ||= headers[i]!.includes('_');
  if (!found) return undefined;
  if (action === 'reject')
    return { status: 400, body: phraseOf(400), flag: 'DPE', details: 'http1.unexpected_underscore' };
  head.requestHeaders = headers.filter((_, i, all) => !all[i - (i % 2)]!.includes('_'));
  return undefined;
}
