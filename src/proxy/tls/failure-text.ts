/**
 * Why a handshake failed, as Envoy's access log writes it (`%UPSTREAM_TRANSPORT_FAILURE_REASON%`):
 * BoringSSL's number and name of what OpenSSL found.
 */
import type { Refusal } from './judge.ts';

/** What Node's errors of TLS say of themselves. */
export interface TlsFailure {
  /** Such as `ERR_SSL_WRONG_VERSION_NUMBER` or `ECONNRESET`. */
  readonly code?: string;
  /** Part of OpenSSL it comes from. */
  readonly library?: string;
  readonly message: string;
}

/** Reasons of BoringSSL's `ssl.h`; those of alerts are 1000 and the number of the alert. */
const reasons: Readonly<Record<string, number>> = {
  BAD_SIGNATURE: 111,
  CERTIFICATE_VERIFY_FAILED: 125,
  DECODE_ERROR: 137,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 139,
  HTTPS_PROXY_REQUEST: 155,
  HTTP_REQUEST: 156,
  NO_SHARED_CIPHER: 184,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNEXPECTED_MESSAGE: 223,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_VERSION_NUMBER: 247,
  NO_COMMON_SIGNATURE_ALGORITHMS: 253,
  NO_SHARED_GROUP: 266,
  KEY_USAGE_BIT_INCORRECT: 302,
};

const alerts: Readonly<Record<string, { readonly name: string; readonly number: number }>> = {
  UNEXPECTED_MESSAGE: { name: 'SSLV3_ALERT_UNEXPECTED_MESSAGE', number: 10 },
  BAD_RECORD_MAC: { name: 'SSLV3_ALERT_BAD_RECORD_MAC', number: 20 },
  RECORD_OVERFLOW: { name: 'TLSV1_ALERT_RECORD_OVERFLOW', number: 22 },
  HANDSHAKE_FAILURE: { name: 'SSLV3_ALERT_HANDSHAKE_FAILURE', number: 40 },
  NO_CERTIFICATE: { name: 'SSLV3_ALERT_NO_CERTIFICATE', number: 41 },
  BAD_CERTIFICATE: { name: 'SSLV3_ALERT_BAD_CERTIFICATE', number: 42 },
  UNSUPPORTED_CERTIFICATE: { name: 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', number: 43 },
  CERTIFICATE_REVOKED: { name: 'SSLV3_ALERT_CERTIFICATE_REVOKED', number: 44 },
  CERTIFICATE_EXPIRED: { name: 'SSLV3_ALERT_CERTIFICATE_EXPIRED', number: 45 },
  CERTIFICATE_UNKNOWN: { name: 'SSLV3_ALERT_CERTIFICATE_UNKNOWN', number: 46 },
  ILLEGAL_PARAMETER: { name: 'SSLV3_ALERT_ILLEGAL_PARAMETER', number: 47 },
  UNKNOWN_CA: { name: 'TLSV1_ALERT_UNKNOWN_CA', number: 48 },
  ACCESS_DENIED: { name: 'TLSV1_ALERT_ACCESS_DENIED', number: 49 },
  DECODE_ERROR: { name: 'TLSV1_ALERT_DECODE_ERROR', number: 50 },
  DECRYPT_ERROR: { name: 'TLSV1_ALERT_DECRYPT_ERROR', number: 51 },
  PROTOCOL_VERSION: { name: 'TLSV1_ALERT_PROTOCOL_VERSION', number: 70 },
  INSUFFICIENT_SECURITY: { name: 'TLSV1_ALERT_INSUFFICIENT_SECURITY', number: 71 },
  INTERNAL_ERROR: { name: 'TLSV1_ALERT_INTERNAL_ERROR', number: 80 },
  USER_CANCELLED: { name: 'TLSV1_ALERT_USER_CANCELLED', number: 90 },
  UNRECOGNIZED_NAME: { name: 'TLSV1_UNRECOGNIZED_NAME', number: 112 },
  CERTIFICATE_REQUIRED: { name: 'TLSV1_ALERT_CERTIFICATE_REQUIRED', number: 116 },
  NO_APPLICATION_PROTOCOL: { name: 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL', number: 120 },
};

/** OpenSSL's names that BoringSSL has not. */
const renamed: Readonly<Record<string, string>> = {
  NO_SUITABLE_KEY_SHARE: 'NO_SHARED_GROUP',
  NO_SUITABLE_SIGNATURE_ALGORITHM: 'NO_COMMON_SIGNATURE_ALGORITHMS',
  NO_PROTOCOLS_AVAILABLE: 'UNSUPPORTED_PROTOCOL',
};

const SSL_LIBRARY = 16 << 24;
const ALERTS = 1000;

/** Whether TLS itself failed, and not the connection under it. */
export function isTlsFault({ code }: TlsFailure): boolean {
  return code?.startsWith('ERR_SSL_') === true || code?.startsWith('ERR_TLS_') === true;
}

/** Such as `TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end`. */
export function failureText(failure: TlsFailure): string {
  const { code, message } = failure;
  if (!isTlsFault(failure)) return systemFailure(code, message);
  const name = (code ?? '').slice('ERR_SSL_'.length);
  const alert = /ALERT_(.+)$/.exec(name)?.[1] ?? '';
  const known = alerts[alert];
  if (known !== undefined) return framed(ALERTS + known.number, known.name);
  const reason = renamed[name] ?? name;
  return framed(reasons[reason] ?? 0, reason);
}

/** @param refusal such as `{ fault: 'fail_verify_san', detail: 'verify cert failed: SAN matcher, …' }` */
export function refusalText({ fault, detail }: Refusal): string {
  return fault === 'connection_error' ? framed(reasons[detail] ?? 0, detail) : verifyFailureText(detail);
}

/** @param detail such as `verify cert failed: SAN matcher, certificate SANs are []` */
export function verifyFailureText(detail: string): string {
  return framed(reasons.CERTIFICATE_VERIFY_FAILED!, `CERTIFICATE_VERIFY_FAILED:${detail}`);
}

function framed(reason: number, text: string): string {
  return `TLS_error:|${SSL_LIBRARY + reason}:SSL routines:OPENSSL_internal:${text}:TLS_error_end`;
}

/** Errors of the connection by their numbers in Linux. */
const systemTexts: Readonly<Record<string, { readonly number: number; readonly text: string }>> = {
  ECONNRESET: { number: 104, text: 'Connection reset by peer' },
  EPIPE: { number: 32, text: 'Broken pipe' },
  ETIMEDOUT: { number: 110, text: 'Connection timed out' },
};
const SYSTEM_LIBRARY = 2 << 24;

function systemFailure(code: string | undefined, message: string): string {
  const known = systemTexts[code ?? ''];
  return known === undefined
    ? `TLS_error:|0:system library:OPENSSL_internal:${message}:TLS_error_end`
    : `TLS_error:|${SYSTEM_LIBRARY + known.number}:system library:OPENSSL_internal:${known.text}:TLS_error_end`;
}
