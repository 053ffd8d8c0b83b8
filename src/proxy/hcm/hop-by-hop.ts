/** What a head says of one connection only, and is not sent on (RFC 9110 §7.6.1). */
import { filterHeaders, type HeaderList, headerOf, removeHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';

const OF_ONE_CONNECTION = mark.connection | mark.hopByHop | mark.upgrade | mark.transferEncoding;
const NEVER_FORWARDED = OF_ONE_CONNECTION | mark.host;

/**
 * @param connection its values, joined; '' for none
 * @param keepsUpgrade whether the protocol asked for is told to the upstream; all that `connection` says is, then
 */
export function dropHopByHop(
  headers: HeaderList,
  marks: number,
  connection: string,
  keepsUpgrade: boolean,
): void {
  if ((marks & (NEVER_FORWARDED | mark.te)) === 0) return;
  const nominated = connection === '' || keepsUpgrade ? undefined : nominatedBy(connection);
  let to = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    switch (name) {
      case 'connection':
      case 'upgrade':
        if (!keepsUpgrade) continue;
        break;
      case 'keep-alive':
      case 'proxy-connection':
      case 'transfer-encoding':
      case 'host':
        continue;
      case 'te':
        if (keepsUpgrade) break;
        if (!/(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(headers[i + 1]!)) continue;
        headers[i + 1] = 'trailers';
        break;
      default:
        if (nominated?.has(name) === true) continue;
    }
    if (to !== i) {
      headers[to] = name;
      headers[to + 1] = headers[i + 1]!;
    }
    to += 2;
  }
  headers.length = to;
}

function nominatedBy(connection: string): Set<string> | undefined {
  const lower = connection.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close') return undefined;
  return new Set(lower.split(',').map((name) => name.trim()));
}

/** The same for a response: fields that it names itself stay, as in Envoy. @param keepsUpgrade whether it changes the protocol */
export function dropResponseHopByHop(headers: HeaderList, marks: number, keepsUpgrade: boolean): void {
  if ((marks & OF_ONE_CONNECTION) === 0) return;
  filterHeaders(headers, keepsUpgrade ? isOfUpgrade : isEndToEnd);
}

function isOfUpgrade(name: string): boolean {
  return name === 'connection' || name === 'upgrade' || isEndToEnd(name);
}

function isEndToEnd(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'upgrade':
    case 'transfer-encoding':
      return false;
    default:
      return true;
  }
}

/** Drops `expect: 100-continue` (RFC 9110 §10.1.1). @returns whether it was there */
export function takeExpectation(headers: HeaderList): boolean {
  return headerOf(headers, 'expect')?.toLowerCase() === '100-continue' && removeHeader(headers, 'expect');
}
