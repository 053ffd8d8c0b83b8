/** Ways in from outside: `Gateway` and `Ingress`. */
import { type Configuration, document } from './configuration.ts';

const gateway = (servers: string): string =>
  document(
    'networking.istio.io/v1',
    'Gateway',
    '<host>',
    `{selector: {istio: ingressgateway}, servers: [${servers}]}`,
  );
const routes = (hosts: string, spec: string): string =>
  document(
    'networking.istio.io/v1',
    'VirtualService',
    '<host>',
    `{hosts: ${hosts}, gateways: [<host>], ${spec}}`,
  );
const v1 = 'http: [{route: [@v1]}]';

/** Servers of a Gateway of its own, and a VirtualService for them. */
const edge = (
  name: string,
  servers: string,
  routed: string,
  asked: Configuration['asked'],
  more: Partial<Configuration> = {},
): Configuration => ({ name, documents: `${gateway(servers)}${routed}`, through: 'gateway', asked, ...more });

const https = (hosts: string, tls: string): string =>
  `{port: {number: 8443, name: <host>, protocol: HTTPS}, hosts: [${hosts}], tls: {${tls}}}`;

export const gateways: readonly Configuration[] = [
  edge(
    'https',
    https('https.example.com', 'mode: SIMPLE, credentialName: simple'),
    routes('[https.example.com]', v1),
    [
      {
        ask: { tls: {} },
        see: { by: 'v1', sent: { 'x-forwarded-proto': 'https', 'x-forwarded-client-cert': null } },
      },
      { ask: { tls: { name: 'unknown.example.net' } }, see: { status: 'closed' } },
      { ask: { tls: {}, host: 'other.example.com' }, see: { status: 'closed' } },
    ],
  ),
  edge(
    'https of clients with certificates',
    https('https-of-clients-with-certificates.example.com', 'mode: MUTUAL, credentialName: simple'),
    routes('[https-of-clients-with-certificates.example.com]', v1),
    [
      {
        ask: { tls: { client: 'alice' } },
        see: { by: 'v1', sent: { 'x-forwarded-client-cert': /Subject="CN=alice\.example\.com"/ } },
      },
      { ask: { tls: {} }, see: { status: 'closed' } },
    ],
  ),
  edge(
    'https of clients of a name',
    https(
      'https-of-clients-of-a-name.example.com',
      'mode: MUTUAL, credentialName: simple, subjectAltNames: [alice.example.com]',
    ),
    routes('[https-of-clients-of-a-name.example.com]', v1),
    [
      { ask: { tls: { client: 'alice' } }, see: { by: 'v1' } },
      { ask: { tls: { client: 'bob' } }, see: { status: 'closed' } },
    ],
  ),
  edge(
    'https of clients who may have a certificate',
    https(
      'https-of-clients-who-may-have-a-certificate.example.com',
      'mode: OPTIONAL_MUTUAL, credentialName: simple',
    ),
    routes('[https-of-clients-who-may-have-a-certificate.example.com]', v1),
    [
      { ask: { tls: { client: 'bob' } }, see: { by: 'v1', sent: { 'x-forwarded-client-cert': /CN=bob/ } } },
      { ask: { tls: {} }, see: { by: 'v1', sent: { 'x-forwarded-client-cert': null } } },
    ],
  ),
  edge(
    'https of TLS 1.3 alone',
    https(
      'https-of-tls-1-3-alone.example.com',
      'mode: SIMPLE, credentialName: simple, minProtocolVersion: TLSV1_3',
    ),
    routes('[https-of-tls-1-3-alone.example.com]', v1),
    [
      { ask: { tls: {} }, see: { by: 'v1' } },
      { ask: { tls: { most: 'TLSv1.2' } }, see: { status: 'closed' } },
    ],
  ),
  edge(
    'https without a Secret',
    https('https-without-a-secret.example.com', 'mode: SIMPLE, credentialName: nobody'),
    routes('[https-without-a-secret.example.com]', v1),
    [{ ask: { tls: {} }, see: { status: 'closed' } }],
  ),
  edge(
    'a redirect to https',
    `{port: {number: 8080, name: http, protocol: HTTP}, hosts: [to.secure.example.com], tls: {httpsRedirect: true}}`,
    routes('[to.secure.example.com]', v1),
    [
      {
        ask: { host: 'to.secure.example.com', get: '/a?b=c' },
        see: { status: 301, got: { location: 'https://to.secure.example.com/a?b=c' } },
      },
    ],
    { alone: true },
  ),
  edge(
    'TLS that is led on by its name',
    `{port: {number: 8443, name: tls, protocol: TLS}, hosts: [led.example.com], tls: {mode: PASSTHROUGH}}`,
    routes(
      '[led.example.com]',
      'tls: [{match: [{port: 8443, sniHosts: [led.example.com]}], route: [{destination: {host: <host>, subset: v2, port: {number: 8443}}}]}]',
    ),
    [{ call: { port: 8443, name: 'led.example.com' }, see: { body: 'v2 heard hello at led.example.com' } }],
    { ports: ['tls'] },
  ),
  edge(
    'TLS that ends at the gateway',
    `{port: {number: 8443, name: tls, protocol: TLS}, hosts: [ends.example.com], tls: {mode: SIMPLE, credentialName: simple}}`,
    routes(
      '[ends.example.com]',
      'tcp: [{match: [{port: 8443}], route: [{destination: {host: <host>, subset: v3, port: {number: 9000}}}]}]',
    ),
    [{ call: { port: 8443, name: 'ends.example.com' }, see: { body: 'v3 heard hello' } }],
    { ports: ['tcp'] },
  ),
  edge(
    'TCP by its port',
    '{port: {number: 9001, name: tcp, protocol: TCP}, hosts: ["*"]}',
    routes(
      '["*"]',
      'tcp: [{match: [{port: 9001}], route: [{destination: {host: <host>, subset: v1, port: {number: 9000}}}]}]',
    ),
    [{ call: { port: 9001 }, see: { body: 'v1 heard hello' } }],
    { ports: ['tcp'] },
  ),
  edge(
    'TCP by weight at a gateway',
    '{port: {number: 9002, name: tcp, protocol: TCP}, hosts: ["*"]}',
    routes(
      '["*"]',
      'tcp: [{route: [{destination: {host: <host>, subset: v1, port: {number: 9000}}, weight: 50}, {destination: {host: <host>, subset: v2, port: {number: 9000}}, weight: 50}]}]',
    ),
    [{ call: { port: 9002 }, times: 100, shares: { '200 v1': 50, '200 v2': 50 } }],
    { ports: ['tcp'] },
  ),
  edge(
    'a port of its own',
    '{port: {number: 8090, name: http, protocol: HTTP}, hosts: [port.example.com]}',
    routes('[port.example.com]', v1),
    [
      { ask: { host: 'port.example.com', port: 8090 }, see: { by: 'v1' } },
      { ask: { host: 'other.example.com', port: 8090 }, see: { status: 404 } },
    ],
  ),
  edge(
    'routes by the port of the gateway',
    '{port: {number: 8091, name: http-a, protocol: HTTP}, hosts: [ports.example.com]}, {port: {number: 8092, name: http-b, protocol: HTTP}, hosts: [ports.example.com]}',
    routes(
      '[ports.example.com]',
      'http: [{match: [{port: 8091}], route: [@v1]}, {match: [{port: 8092}], route: [@v2]}]',
    ),
    [
      { ask: { host: 'ports.example.com', port: 8091 }, see: { by: 'v1' } },
      { ask: { host: 'ports.example.com', port: 8092 }, see: { by: 'v2' } },
    ],
  ),
  edge(
    'the longest of several hosts',
    '{port: {number: 8093, name: http, protocol: HTTP}, hosts: ["*.example.net"]}',
    [
      document(
        'networking.istio.io/v1',
        'VirtualService',
        '<host>-wide',
        '{hosts: ["*.example.net"], gateways: [<host>], http: [{route: [@v1]}]}',
      ),
      document(
        'networking.istio.io/v1',
        'VirtualService',
        '<host>-a',
        '{hosts: ["*.a.example.net"], gateways: [<host>], http: [{route: [@v2]}]}',
      ),
      document(
        'networking.istio.io/v1',
        'VirtualService',
        '<host>-b',
        '{hosts: [b.a.example.net], gateways: [<host>], http: [{route: [@v3]}]}',
      ),
    ].join(''),
    [
      { ask: { host: 'x.example.net', port: 8093 }, see: { by: 'v1' } },
      { ask: { host: 'x.a.example.net', port: 8093 }, see: { by: 'v2' } },
      { ask: { host: 'b.a.example.net', port: 8093 }, see: { by: 'v3' } },
      { ask: { host: 'B.A.example.net', port: 8093 }, see: { by: 'v3' } },
      { ask: { host: 'b.a.example.net:8093', port: 8093 }, see: { by: 'v3' } },
    ],
  ),
  edge(
    'hosts of one namespace alone',
    '{port: {number: 8094, name: http, protocol: HTTP}, hosts: [other/hidden.example.com, ./shown.example.com]}',
    routes('[hidden.example.com, shown.example.com]', v1),
    [
      { ask: { host: 'shown.example.com', port: 8094 }, see: { by: 'v1' } },
      { ask: { host: 'hidden.example.com', port: 8094 }, see: { status: 404 } },
    ],
  ),
  edge(
    'a Gateway for other proxies',
    '{port: {number: 8095, name: http, protocol: HTTP}, hosts: ["*"]}',
    routes('["*"]', v1),
    [{ ask: { port: 8095 }, see: { status: 'closed' } }],
    {
      documents: `${document('networking.istio.io/v1', 'Gateway', '<host>', '{selector: {istio: egressgateway}, servers: [{port: {number: 8095, name: http, protocol: HTTP}, hosts: ["*"]}]}')}${routes('["*"]', v1)}`,
    },
  ),
  {
    name: 'several VirtualServices of a host',
    http: '{match: [{uri: {prefix: /a}}], route: [@v1]}',
    documents: document(
      'networking.istio.io/v1',
      'VirtualService',
      '<host>-more',
      '{hosts: [<host>.example.com], gateways: [edge], http: [{match: [{uri: {prefix: /b}}], route: [@v2]}]}',
    ),
    through: 'gateway',
    asked: [
      { ask: { get: '/a' }, see: { by: 'v1' } },
      { ask: { get: '/b' }, see: { by: 'v2' } },
      { ask: { get: '/c' }, see: { status: 404 } },
    ],
  },
  {
    name: 'a host nobody routes',
    through: 'gateway',
    asked: [{ ask: {}, see: { status: 404, body: '' } }],
  },
  {
    name: 'what a client says of itself is not believed',
    http: '{route: [@v1]}',
    through: 'gateway',
    asked: [
      {
        ask: {
          headers: {
            'x-forwarded-for': '10.1.2.3',
            'x-forwarded-client-cert': 'By=spiffe://x',
            'x-envoy-attempt-count': '9',
          },
        },
        see: { by: 'v1', sent: { 'x-forwarded-client-cert': null, 'x-envoy-attempt-count': '1' } },
      },
    ],
  },
];

const ingress = (rules: string): string =>
  document('networking.k8s.io/v1', 'Ingress', '<host>', `{ingressClassName: istio, rules: [${rules}]}`);
const backend = '{service: {name: <host>, port: {number: 80}}}';

/** An Ingress is served at port 80 of the gateway. */
export const ingresses: readonly Configuration[] = [
  {
    name: 'ingress by prefix and exact path',
    documents: ingress(
      `{host: a.ingress.example.net, http: {paths: [{path: /exact, pathType: Exact, backend: ${backend}}, {path: /pre, pathType: Prefix, backend: ${backend}}]}}`,
    ),
    through: 'gateway',
    policy: 'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}',
    asked: [
      { ask: { host: 'a.ingress.example.net', port: 80, get: '/exact' }, see: { path: '/exact' } },
      { ask: { host: 'a.ingress.example.net', port: 80, get: '/exact/x' }, see: { status: 404 } },
      { ask: { host: 'a.ingress.example.net', port: 80, get: '/pre/x' }, see: { path: '/pre/x' } },
      { ask: { host: 'a.ingress.example.net', port: 80, get: '/pre' }, see: { path: '/pre' } },
      { ask: { host: 'a.ingress.example.net', port: 80, get: '/prefix' }, see: { status: 404 } },
      { ask: { host: 'b.ingress.example.net', port: 80, get: '/pre' }, see: { status: 404 } },
    ],
  },
];
