/** Who may come without mutual TLS: `PeerAuthentication`, and what callers do of it. */
import { type Configuration, document } from './configuration.ts';

const peers = (spec: string): string =>
  document('security.istio.io/v1', 'PeerAuthentication', 'default', `{${spec}}`);
const rule = (tls: string): string =>
  ['heddle', 'envoy']
    .map((make) =>
      document(
        'networking.istio.io/v1',
        'DestinationRule',
        `rule-${make}`,
        `{host: server-${make}, trafficPolicy: {tls: {${tls}}}}`,
      ),
    )
    .join('');
const certificate = /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/default/;
/** One proxy calls the other's application, and an Envoy is called by both makes, as is a Heddle. */
const calls = (
  port: number,
  see: Configuration['asked'][number] extends infer A ? Extract<A, { see: unknown }>['see'] : never,
) => ['server-heddle', 'server-envoy'].map((host) => ({ ask: { host, port }, see }));
const secured = { by: 'application', sent: { 'x-forwarded-client-cert': certificate } } as const;
const plain = { by: 'application', sent: { 'x-forwarded-client-cert': null } } as const;

const policy = (name: string, documents: string, asked: Configuration['asked']): Configuration => ({
  name,
  alone: true,
  settles: true,
  service: '',
  documents,
  through: 'sidecar',
  asked,
});

export const policies: readonly Configuration[] = [
  policy('mutual TLS without a word', '', calls(80, secured)),
  policy('STRICT of the namespace', peers('mtls: {mode: STRICT}'), [
    ...calls(80, secured),
    { ask: { direct: 8080 }, see: { status: 'closed' } },
  ]),
  policy('PERMISSIVE of the namespace', peers('mtls: {mode: PERMISSIVE}'), [
    ...calls(80, secured),
    { ask: { direct: 8080 }, see: plain },
  ]),
  policy('DISABLE of the namespace', peers('mtls: {mode: DISABLE}'), [
    ...calls(80, plain),
    { ask: { direct: 8080 }, see: plain },
  ]),
  policy(
    'modes of ports',
    peers(
      'selector: {matchLabels: {app: caller}}, mtls: {mode: STRICT}, portLevelMtls: {8082: {mode: PERMISSIVE}, 8083: {mode: DISABLE}}',
    ),
    [
      ...calls(80, secured),
      ...calls(82, secured),
      ...calls(83, plain),
      { ask: { direct: 8080 }, see: { status: 'closed' } },
      { ask: { direct: 8082 }, see: plain },
      { ask: { direct: 8083 }, see: plain },
    ],
  ),
  policy(
    'STRICT of other workloads',
    peers('selector: {matchLabels: {app: backend}}, mtls: {mode: STRICT}'),
    [...calls(80, secured), { ask: { direct: 8080 }, see: plain }],
  ),
  policy(
    'STRICT of the mesh',
    peers('mtls: {mode: STRICT}').replace('name: default', 'name: default, namespace: istio-system'),
    [...calls(80, secured), { ask: { direct: 8080 }, see: { status: 'closed' } }],
  ),
  policy(
    'callers that are told DISABLE',
    `${peers('mtls: {mode: PERMISSIVE}')}${rule('mode: DISABLE')}`,
    calls(80, plain),
  ),
  policy(
    'callers that are told DISABLE, of servers that are STRICT',
    `${peers('mtls: {mode: STRICT}')}${rule('mode: DISABLE')}`,
    calls(80, { status: 503 }),
  ),
  policy(
    'callers that are told ISTIO_MUTUAL',
    `${peers('mtls: {mode: PERMISSIVE}')}${rule('mode: ISTIO_MUTUAL')}`,
    calls(80, secured),
  ),
];
