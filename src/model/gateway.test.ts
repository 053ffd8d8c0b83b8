/** Gateways and Ingresses: what Istio's webhook and the API server refuse is refused, and what has no effect is told. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from './load.ts';

function told(kind: 'Gateway' | 'Ingress', spec: unknown): readonly string[] {
  const apiVersion = kind === 'Gateway' ? 'networking.istio.io/v1alpha3' : 'networking.k8s.io/v1';
  const text = JSON.stringify({ apiVersion, kind, metadata: { name: 'x' }, spec });
  const { problems } = loadDocuments([{ file: 'f', text }]);
  return problems.map((problem) =>
    formatProblem(problem).replace(/^f:\d+:\d+: (\w+: )\w+ default\/x: /, '$1'),
  );
}

const server = (fields: object): object => ({
  port: { number: 443, name: 'https', protocol: 'HTTPS' },
  hosts: ['*'],
  ...fields,
});
const withTls = (tls: object): object => server({ tls });
const port = (number: number, protocol: string): object => ({ port: { number, name: 'p', protocol } });
const pair = { serverCertificate: '/c', privateKey: '/k' };

/** Each with what is said of it, errors and warnings. */
const servers: readonly (readonly [name: string, server: object, ...said: RegExp[]])[] = [
  ['a Secret', withTls({ mode: 'SIMPLE', credentialName: 'a' })],
  ['files', withTls({ mode: 'MUTUAL', ...pair, caCertificates: '/ca', caCrl: '/crl' })],
  ['a protocol in small letters', server({ ...port(80, 'grpc-web') })],
  ['a Unix socket', server({ ...port(0, 'HTTP'), bind: 'unix:///run/x' })],
  [
    'an address',
    server({ ...port(80, 'HTTP'), bind: '::1', hosts: ['ns/*.example.com', './a.b', '192.0.2.1'] }),
  ],
  ['no TLS', server({}), /^error: spec\.servers\[0\]\.tls: HTTPS needs tls settings/],
  [
    'TLS of plain HTTP',
    server({ ...port(80, 'HTTP'), tls: { mode: 'SIMPLE', ...pair } }),
    /^error: .*tls: HTTP is without TLS.*write the protocol HTTPS/,
  ],
  [
    'TLS of TCP',
    server({ ...port(80, 'TCP'), tls: {} }),
    /^error: .*tls: TCP is without TLS.*write the protocol TLS/,
  ],
  [
    'a redirect of HTTPS',
    withTls({ mode: 'SIMPLE', credentialName: 'a', httpsRedirect: true }),
    /^warning: .*httpsRedirect: is for servers without TLS/,
  ],
  [
    'a protocol there is not',
    server({ ...port(80, 'HTP') }),
    /^error: .*protocol: "HTP" is no protocol \(did you mean "HTTP"/,
  ],
  ['port 0', server({ ...port(0, 'HTTP') }), /^error: .*number: must be from 1/],
  [
    'a Unix socket with a port',
    server({ ...port(80, 'HTTP'), bind: 'unix:///x' }),
    /^error: .*number: a Unix socket has no port/,
  ],
  [
    'a bind that is none',
    server({ ...port(80, 'HTTP'), bind: 'here' }),
    /^error: .*bind: "here" is no IP address/,
  ],
  ['a short name', server({ ...port(80, 'HTTP'), hosts: ['shop'] }), /^error: .*hosts\[0\]: short names/],
  [
    'a namespace that is none',
    server({ ...port(80, 'HTTP'), hosts: ['~/a.b'] }),
    /^error: .*hosts\[0\]: "~" is no namespace/,
  ],
  [
    'no certificate',
    withTls({ mode: 'SIMPLE' }),
    /^error: .*serverCertificate: SIMPLE needs a server certificate/,
  ],
  [
    'no authorities',
    withTls({ mode: 'OPTIONAL_MUTUAL', ...pair }),
    /^error: .*caCertificates: MUTUAL needs the authorities/,
  ],
  [
    'half a pair',
    withTls({ mode: 'SIMPLE', tlsCertificates: [{ serverCertificate: '/c' }] }),
    /^error: .*tlsCertificates\[0\]\.privateKey: SIMPLE needs a private key/,
  ],
  [
    'two sources',
    withTls({ mode: 'SIMPLE', credentialName: 'a', credentialNames: ['b'] }),
    /^error: .*credentialNames: stands beside credentialName/,
  ],
  [
    'three certificates',
    withTls({ mode: 'SIMPLE', credentialNames: ['a', 'b', 'c'] }),
    /^error: .*credentialNames: more than 2 items/,
  ],
  [
    'ISTIO_MUTUAL and a Secret',
    withTls({ mode: 'ISTIO_MUTUAL', credentialName: 'a' }),
    /^error: .*credentialName: ISTIO_MUTUAL takes the certificate of the mesh/,
  ],
  [
    'PASSTHROUGH and a Secret',
    withTls({ credentialName: 'a' }),
    /^warning: .*credentialName: PASSTHROUGH does not use certificates/,
  ],
  [
    'names nobody is asked for',
    withTls({ mode: 'SIMPLE', credentialName: 'a', subjectAltNames: ['b'] }),
    /^warning: .*subjectAltNames: SIMPLE asks clients for no certificate/,
  ],
  [
    'revocation beside a Secret',
    withTls({ mode: 'MUTUAL', credentialName: 'a', caCrl: '/x' }),
    /^error: .*caCrl: is not looked at beside credentials/,
  ],
  [
    'hashes that are none',
    withTls({
      mode: 'MUTUAL',
      credentialName: 'a',
      verifyCertificateSpki: ['x'],
      verifyCertificateHash: ['y'],
    }),
    /^error: .*verifyCertificateHash\[0\]/,
    /^error: .*verifyCertificateSpki\[0\]/,
  ],
  [
    'versions in the wrong order',
    withTls({
      mode: 'SIMPLE',
      credentialName: 'a',
      minProtocolVersion: 'TLSV1_3',
      maxProtocolVersion: 'TLSV1_2',
    }),
    /^error: .*maxProtocolVersion: TLSV1_2 is before TLSV1_3/,
  ],
  [
    'old versions',
    withTls({
      mode: 'SIMPLE',
      credentialName: 'a',
      minProtocolVersion: 'TLSV1_0',
      maxProtocolVersion: 'TLSV1_1',
    }),
    /^error: .*maxProtocolVersion: TLS before 1\.2/,
    /^warning: .*minProtocolVersion/,
  ],
  [
    'ciphers there are not',
    withTls({ mode: 'SIMPLE', credentialName: 'a', cipherSuites: ['X'] }),
    /^error: .*cipherSuites: names no cipher suite/,
    /^warning: .*cipherSuites\[0\]/,
  ],
];

describe('a server of a Gateway', () => {
  for (const [name, written, ...expected] of servers) {
    test(name, () => {
      const said = [...told('Gateway', { servers: [written] })].sort();
      assert.equal(said.length, expected.length, said.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(said[i]!, pattern);
    });
  }

  test('ports and names of one Gateway differ', () => {
    const twice = { ...port(80, 'HTTP'), hosts: ['*'], name: 'n' };
    const said = told('Gateway', { servers: [twice, twice] });
    assert.match(said.join('\n'), /servers\[1\]\.port\.name: another server has a port called "p"/);
    assert.match(said.join('\n'), /servers\[1\]\.name: another server is called "n"/);
  });
});

const backend = { service: { name: 'shop', port: { number: 80 } } };
const rule = (path: object): object => ({ rules: [{ http: { paths: [path] } }] });

const ingresses: readonly (readonly [name: string, spec: object, said: RegExp])[] = [
  ['nothing', {}, /^error: spec: needs rules, or a defaultBackend/],
  [
    'a relative path',
    rule({ path: 'a', pathType: 'Prefix', backend }),
    /paths\[0\]\.path: "a" is not absolute/,
  ],
  ['no path type', rule({ path: '/', backend }), /pathType: this field is required/],
  [
    'a port by number and name',
    { defaultBackend: { service: { name: 'a', port: { number: 1, name: 'b' } } } },
    /port: needs either a name or a number/,
  ],
  [
    'storage',
    { defaultBackend: { resource: { kind: 'Bucket', name: 'b' } } },
    /defaultBackend\.(service|resource): /,
  ],
  ['a star for all hosts', { rules: [{ host: '*' }] }, /host: no host stands for all/],
  ['an address', { rules: [{ host: '192.0.2.1' }] }, /host: 192\.0\.2\.1 is an address/],
];

describe('an Ingress', () => {
  for (const [name, spec, expected] of ingresses) {
    test(name, () =>
      assert.match(told('Ingress', { ingressClassName: 'istio', ...spec }).join('\n'), expected),
    );
  }

  test('what leads nowhere is told', () => {
    const paths = [{ path: '/', pathType: 'Prefix', backend }];
    const shop = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'shop' },
      spec: { ports: [{ name: 'http', port: 8080 }] },
    });
    const of = (spec: object): string => {
      const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'x' }, spec };
      const { problems } = loadDocuments([{ file: 'f', text: `${shop}\n---\n${JSON.stringify(ingress)}` }]);
      return problems.map(formatProblem).join('\n');
    };
    const ingressClassName = 'istio';
    assert.match(
      of({ ingressClassName, rules: [{ http: { paths } }] }),
      /backend\.service\.port: the Service shop has no port 80/,
    );
    const named = (name: string, port: object) => ({
      ingressClassName,
      defaultBackend: { service: { name, port } },
    });
    assert.match(
      of(named('shop', { name: 'web' })),
      /defaultBackend\.service\.port: the Service shop has no port "web"/,
    );
    assert.match(
      of(named('shpo', { number: 80 })),
      /defaultBackend\.service\.name: there is no Service shpo .*did you mean "shop"/,
    );
    assert.doesNotMatch(of(named('shop', { name: 'http' })), /Ingress/);
    assert.match(
      of({ rules: [{ http: { paths } }] }),
      /spec: no class says who serves it.*ingressClassName: istio/,
    );
  });
});
