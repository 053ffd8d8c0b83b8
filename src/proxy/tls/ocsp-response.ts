/** An OCSP response that is stapled to a certificate (RFC 6960 §4.2), as far as it must be known when it ends. */
import { type DerElement, derChildren, derOid, derTag, derTimeMs, readDer } from '#identity/der-reader.ts';

const BASIC_RESPONSE = '1.3.6.1.5.5.7.48.1.1';
const SUCCESSFUL = 0;
/** Context-specific tags. */
const tag0 = 0xa0;
const tag2 = 0xa2;

/**
 * When the response is no longer to be shown, in milliseconds since 1970; Infinity where it says nothing.
 *
 * @throws Error where it is none, or one of several certificates.
 */
export function ocspResponseEndMs(der: Uint8Array): number {
  const [status, wrapper] = derChildren(der, readDer(der, 0));
  if (status === undefined || der[status.start] !== SUCCESSFUL) throw new Error('it is not successful');
  const [responseBytes] = wrapper === undefined ? [] : derChildren(der, wrapper);
  const [type, octets] = responseBytes === undefined ? [] : derChildren(der, responseBytes);
  if (type === undefined || octets?.tag !== derTag.octetString || derOid(der, type) !== BASIC_RESPONSE) {
    throw new Error('it is not a basic response');
  }
  const [data] = derChildren(der, readDer(der, octets.start, octets.end));
  return endOf(der, responsesOf(der, data));
}

/** SEQUENCE { version [0]?, responder [1] or [2], producedAt, responses, … } */
function responsesOf(der: Uint8Array, data: DerElement | undefined): DerElement {
  const parts = data === undefined ? [] : derChildren(der, data);
  if (parts[0]?.tag === tag0) parts.shift();
  const responses = parts[2] === undefined ? [] : derChildren(der, parts[2]);
  const [first, second] = responses;
  if (first === undefined || second !== undefined) throw new Error('it is not of exactly one certificate');
  return first;
}

/** SEQUENCE { certificate, status, thisUpdate, nextUpdate [0]?, … }; the status may have the tag of nextUpdate. */
function endOf(der: Uint8Array, response: DerElement): number {
  const [, status, , next] = derChildren(der, response);
  if (status === undefined || status.tag === tag2)
    throw new Error('the status of the certificate is unknown');
  if (next?.tag !== tag0) return Number.POSITIVE_INFINITY;
  return derTimeMs(der, readDer(der, next.start, next.end));
}
