/** What a TLS context may say, and where the fault is in one that may not. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { parseYaml } from '#core/yaml.ts';
import { messageFromDocument } from '#xds/document.ts';
import { TransportSocketSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { type Holder, TestRoot } from '../../../test/support/certificates.ts';
import { createSecretStore } from '../apply/secret-store.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import { Findings } from '../findings.ts';
import type { Wanted } from '../resource-source.ts';
import { readDownstreamTransport } from './downstream-settings.ts';
import { readUpstreamTransport } from './upstream.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const files = new Map<string, string>();

function socketOf(
  kind: 'Upstream' | 'Downstream',
  fields: string,
): Parameters<typeof readUpstreamTransport>[0] {
  const text = `{ name: tls, typed_config: { '@type': ${TYPE}.${kind}TlsContext, ${fields} } }`;
  const { documents, problems } = parseYaml(text, 'test.yaml');
  assert.deepEqual(problems, []);
  const parsed = messageFromDocument(TransportSocketSchema, documents[0]!);
  assert.ok(parsed.ok, JSON.stringify(parsed.problems));
  return parsed.value;
}

const deps = {
  secrets: createSecretStore(),
  readFile: (path: string) => {
    const text = files.get(path);
    if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    return Buffer.from(text);
  },
  environment: (name: string) => (name === 'PASSWORD' ? 'secret' : undefined),
} as unknown as DataPathDeps;

function problemsOf(kind: 'Upstream' | 'Downstream', fields: string): readonly string[] {
  const findings = new Findings();
  const secrets: Wanted[] = [];
  const socket = socketOf(kind, fields);
  if (kind === 'Upstream') readUpstreamTransport(socket, 'socket', deps, findings, secrets);
  else readDownstreamTransport(socket, 'socket', deps, findings, secrets);
  return findings.problems.map(({ level, path, message }) => `${level} ${path}: ${message}`);
}

const certificate = '{ certificate_chain: { filename: cert }, private_key: { filename: key } }';
const common = (fields: string): string =>
  `common_tls_context: { tls_certificates: [${certificate}]${fields === '' ? '' : `, ${fields}`} }`;
const validation = (fields: string): string => common(`validation_context: { ${fields} }`);
const roots = 'trusted_ca: { filename: root }';
const spiffe = (fields: string): string =>
  `custom_validator_config: { name: envoy.tls.cert_validator.spiffe, typed_config: { '@type': ${TYPE}.SPIFFECertValidatorConfig, ${fields} } }`;
const domain = '{ name: cluster.local, trust_bundle: { filename: root } }';
const at = 'error socket.typed_config';
const inCommon = `${at}.common_tls_context`;
const inValidation = `${inCommon}.validation_context`;
const name = (fields: string): string => `match_typed_subject_alt_names: [{ ${fields} }]`;

before(async () => {
  const root = await TestRoot.create('root');
  const holder: Holder = await root.issue({ dns: ['web.test'] });
  const other = await root.issue();
  files.set('root', root.pem).set('cert', holder.cert).set('key', holder.key).set('other-key', other.key);
  files
    .set('crl', await root.revocationList([]))
    .set('empty', '')
    .set('text', 'x');
  files.set('short', 'x'.repeat(79)).set('ticket-key', 'x'.repeat(80));
  const { privateKey } = await import('node:crypto').then(({ generateKeyPairSync }) =>
    generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
  );
  const locked = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'secret',
  });
  files.set('locked-key', locked.toString());
  assert.ok(new X509Certificate(holder.cert));
});

describe('a DownstreamTlsContext', () => {
  const good: readonly string[] = [
    common(''),
    validation(roots),
    validation(`${roots}, crl: { filename: crl }, only_verify_leaf_cert_crl: true, max_verify_depth: 2`),
    validation(`${roots}, allow_expired_certificate: true, trust_chain_verification: ACCEPT_UNTRUSTED`),
    validation(
      `verify_certificate_hash: ['${'Ab:'.repeat(31)}Cd'], verify_certificate_spki: ['${'A'.repeat(43)}=']`,
    ),
    validation(`${roots}, ${name('san_type: OTHER_NAME, oid: 1.2.3, matcher: { exact: a }')}`),
    validation(spiffe(`trust_domains: [${domain}]`)),
    `require_sni: true, full_scan_certs_on_sni_mismatch: true, prefer_client_ciphers: true, session_timeout: 60.5s, ${common('')}`,
    `disable_stateful_session_resumption: true, disable_stateless_session_resumption: true, ${common('')}`,
    `session_ticket_keys: { keys: [{ filename: ticket-key }] }, ${common('')}`,
    common(
      "tls_params: { cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]', 'ECDHE-RSA-AES128-SHA:AES256-SHA', TLS_RSA_WITH_AES_128_GCM_SHA256], ecdh_curves: [P-384, X25519MLKEM768], signature_algorithms: [ecdsa_secp256r1_sha256, RSA-PSS+SHA256] }",
    ),
    common(
      "alpn_protocols: [h2, '', http/1.1], key_log: { path: keys, local_address_range: [{ address_prefix: 10.0.0.0, prefix_len: 8 }] }",
    ),
  ];
  for (const fields of good) {
    test(`takes ${fields.slice(0, 100)}`, () => assert.deepEqual(problemsOf('Downstream', fields), []));
  }

  const bad: readonly (readonly [fields: string, problem: string])[] = [
    ['common_tls_context: {}', `${inCommon}.tls_certificates: a listener needs a certificate`],
    [
      `require_client_certificate: true, ${common('')}`,
      `${inCommon}.validation_context: is needed to verify the client certificates required`,
    ],
    [
      `session_ticket_keys: { keys: [{ filename: ticket-key }, { filename: short }] }, ${common('')}`,
      `${at}.session_ticket_keys.keys[1]: a key has 80 bytes, this has 79`,
    ],
    [
      `ocsp_staple_policy: MUST_STAPLE, ${common('')}`,
      `${inCommon}.tls_certificates[0].ocsp_staple: is missing: the certificate must not be shown without it`,
    ],
    [
      common('tls_certificate_sds_secret_configs: [{ name: a }]'),
      `${inCommon}.tls_certificates: cannot stand beside tls_certificate_sds_secret_configs`,
    ],
    [common('custom_handshaker: { name: a }'), `${inCommon}.custom_handshaker: is not supported`],
    [
      common('tls_params: { tls_minimum_protocol_version: TLSv1_1 }'),
      `${inCommon}.tls_params.tls_minimum_protocol_version: TLS before 1.2 is not supported`,
    ],
    [
      common('tls_params: { cipher_suites: [AES128-SHA, TLS_AES_128_GCM_SHA256] }'),
      `${inCommon}.tls_params.cipher_suites[1]: cipher TLS_AES_128_GCM_SHA256 is not supported`,
    ],
    [
      common("tls_params: { cipher_suites: ['@STRENGTH'] }"),
      `${inCommon}.tls_params.cipher_suites[0]: cipher @STRENGTH is not supported`,
    ],
    [
      common('tls_params: { ecdh_curves: [P-256, P-224] }'),
      `${inCommon}.tls_params.ecdh_curves[1]: curve P-224 is not supported`,
    ],
    [
      common('tls_params: { signature_algorithms: [foo] }'),
      `${inCommon}.tls_params.signature_algorithms[0]: signature foo is not supported`,
    ],
    [
      common('tls_params: { compliance_policies: [FIPS_202205] }'),
      `${inCommon}.tls_params.compliance_policies: is not supported`,
    ],
    [
      common('key_log: { path: k, remote_address_range: [{ address_prefix: x }] }'),
      `${inCommon}.key_log.remote_address_range[0].address_prefix: "x" is not an IP address`,
    ],
    [validation('trusted_ca: { filename: text }'), `${inValidation}.trusted_ca: holds no certificate in PEM`],
    [validation('trusted_ca: { filename: empty }'), `${inValidation}.trusted_ca: must not be empty`],
    [
      validation('trusted_ca: { filename: none }'),
      `${inValidation}.trusted_ca: ENOENT: no such file or directory, open 'none'`,
    ],
    [
      validation('allow_expired_certificate: true'),
      `${inValidation}.trusted_ca: is missing: without it no certificate expires`,
    ],
    [
      validation('crl: { filename: crl }'),
      `${inValidation}.trusted_ca: is missing: revocation lists are of an authority that is trusted`,
    ],
    [
      validation(`${roots}, crl: { filename: text }`),
      `${inValidation}.crl: there is no revocation list in PEM`,
    ],
    [
      validation(name('san_type: URI, matcher: { exact: a }')),
      `${inValidation}.trusted_ca: is missing: names in certificates that nobody vouches for mean nothing`,
    ],
    [
      validation(`${roots}, ${name('matcher: { exact: a }')}`),
      `${inValidation}.match_typed_subject_alt_names[0].san_type: is missing`,
    ],
    [
      validation(`${roots}, ${name('san_type: OTHER_NAME, oid: zz, matcher: { exact: a }')}`),
      `${inValidation}.match_typed_subject_alt_names[0].oid: must name the kind of OTHER_NAME`,
    ],
    [
      validation('verify_certificate_hash: [abcd]'),
      `${inValidation}.verify_certificate_hash[0]: is no SHA-256 in hexadecimal`,
    ],
    [
      validation('verify_certificate_spki: [abcd]'),
      `${inValidation}.verify_certificate_spki[0]: is no SHA-256 in Base64`,
    ],
    [validation(`${roots}, system_root_certs: {}`), `${inValidation}.system_root_certs: is not supported`],
    [
      validation(`${roots}, suppress_client_ca_list: true`),
      `${inValidation}.suppress_client_ca_list: is not supported`,
    ],
    [
      validation(spiffe(`trust_domains: [${domain}, ${domain}]`)),
      `${inValidation}.custom_validator_config.typed_config.trust_domains[1].name: stands twice`,
    ],
    [
      validation(`${roots}, ${spiffe(`trust_domains: [${domain}]`)}`),
      `${inValidation}.trusted_ca: is not looked at by the SPIFFE validator`,
    ],
    [
      validation(`${name('san_type: DNS, matcher: { exact: a }')}, ${spiffe(`trust_domains: [${domain}]`)}`),
      `${inValidation}.match_typed_subject_alt_names: is not looked at by the SPIFFE validator`,
    ],
    [
      validation('custom_validator_config: { name: other }'),
      `${inValidation}.custom_validator_config.typed_config: validator other is not supported`,
    ],
  ];
  for (const [fields, problem] of bad) {
    test(problem, () => assert.deepEqual(problemsOf('Downstream', fields), [problem]));
  }

  const certificates: readonly (readonly [fields: string, problem: string])[] = [
    ['certificate_chain: { filename: cert }', 'private_key: is missing'],
    [
      'certificate_chain: { filename: cert }, private_key: { filename: other-key }',
      'private_key: is not the key of the certificate',
    ],
    [
      'certificate_chain: { filename: cert }, private_key: { filename: locked-key }, password: { inline_string: wrong }',
      'private_key: is not a private key in PEM, or not with this password',
    ],
    [
      'certificate_chain: { filename: cert }, private_key: { filename: locked-key }, password: { environment_variable: PASSWORD }',
      'private_key: is not the key of the certificate',
    ],
    [
      'certificate_chain: { filename: cert }, private_key: { environment_variable: NOTHING }',
      'private_key: environment variable NOTHING is not set',
    ],
    [
      'certificate_chain: { filename: cert }, private_key: { filename: key }, ocsp_staple: { inline_string: x }',
      'ocsp_staple: a response is DER: it cannot be an inline_string',
    ],
    [
      'certificate_chain: { filename: cert }, private_key: { filename: key }, private_key_provider: { provider_name: a }',
      'private_key_provider: is not supported',
    ],
    [
      'certificate_chain: { filename: cert }, private_key: { filename: key }, signed_certificate_timestamp: [{ inline_string: a }]',
      'signed_certificate_timestamp: is not supported',
    ],
  ];
  for (const [fields, problem] of certificates) {
    test(problem, () => {
      const context = `common_tls_context: { tls_certificates: [{ ${fields} }] }`;
      assert.deepEqual(problemsOf('Downstream', context), [`${inCommon}.tls_certificates[0].${problem}`]);
    });
  }
});

describe('an UpstreamTlsContext', () => {
  const rows: readonly (readonly [fields: string, problem: string | undefined])[] = [
    ['sni: web.test, auto_host_sni: true, max_session_keys: 0', undefined],
    [`auto_sni_san_validation: true, ${validation(roots)}`, undefined],
    ['auto_sni_san_validation: true, sni: a', `${at}.auto_sni_san_validation: needs a validation context`],
    ['allow_renegotiation: true', `${at}.allow_renegotiation: is not supported`],
    ['sni: 10.0.0.1', `${at}.sni: is an address: RFC 6066 §3 knows names only`],
    [`sni: ${'a'.repeat(256)}`, `${at}.sni: is longer than 255 bytes`],
    [
      `common_tls_context: { tls_certificates: [${certificate}, ${certificate}] }`,
      `${inCommon}.tls_certificates: a client shows one certificate`,
    ],
    [
      'enforce_rsa_key_usage: false',
      'warning socket.typed_config.enforce_rsa_key_usage: has no effect: the use of keys is always enforced',
    ],
  ];
  for (const [fields, problem] of rows) {
    test(problem ?? `takes ${fields.slice(0, 60)}`, () => {
      assert.deepEqual(problemsOf('Upstream', fields), problem === undefined ? [] : [problem]);
    });
  }
});
