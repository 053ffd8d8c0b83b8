/** Envoy 1.40 wrote these for the same failures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureText, isTlsFault, verifyFailureText } from './failure-text.ts';
import { chainRefusal } from './verify-text.ts';

const rows = [
  [
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    '268436526:SSL routines:OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION',
  ],
  [
    'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    '268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE',
  ],
  ['ERR_SSL_WRONG_VERSION_NUMBER', '268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER'],
  ['ECONNRESET', '33554536:system library:OPENSSL_internal:Connection reset by peer'],
] as const;

for (const [code, text] of rows) {
  test(code, () => assert.equal(failureText({ code, message: '' }), `TLS_error:|${text}:TLS_error_end`));
}

test('certificates', () => {
  const head =
    'TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ';
  const chain = 'X509_verify_cert: certificate verification error at depth 0: ';
  assert.equal(
    verifyFailureText(chainRefusal('UNABLE_TO_VERIFY_LEAF_SIGNATURE')),
    `${head}${chain}unable to get local issuer certificate:TLS_error_end`,
  );
  assert.equal(
    verifyFailureText(chainRefusal('CERT_REVOKED')),
    `${head}${chain}certificate revocation check against provided CRLs failed: certificate revoked:TLS_error_end`,
  );
});

test('what is a fault of TLS, and what of the connection under it', () => {
  assert.equal(isTlsFault({ code: 'ERR_SSL_WRONG_VERSION_NUMBER', message: '' }), true);
  assert.equal(isTlsFault({ code: 'ECONNRESET', message: '' }), false);
  assert.equal(isTlsFault({ message: '' }), false);
});
