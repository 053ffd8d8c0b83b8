/** haproxy as a proxy of a row. It logs to its standard output, which the run sends to the access-log file. */
import { type Hop, leafDnsName, retries, routeTimeoutSeconds } from './work.ts';

export function haproxy(hop: Hop): string {
  const { certificates } = hop;
  const bindTls =
    hop.tls === 'terminate'
      ? ` ssl crt ${certificates.pair} ca-file ${certificates.ca} verify required ssl-min-ver TLSv1.3`
      : '';
  const serverTls =
    hop.tls === 'originate'
      ? ` ssl crt ${certificates.pair} ca-file ${certificates.ca} verify required verifyhost ${leafDnsName} sni str(${leafDnsName}) ssl-min-ver TLSv1.3`
      : '';
  return `
global
  nbthread 1
  maxconn 4096
  log stdout format raw local0

defaults
  mode http
  log global
  option httplog
  option http-keep-alive
  timeout connect 1s
  timeout client 1h
  timeout http-keep-alive 1h
  timeout server ${routeTimeoutSeconds}s
  retries ${retries}
  retry-on conn-failure empty-response response-timeout

frontend front
  bind 127.0.0.1:${hop.listenPort}${bindTls}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  option forwardfor
  http-request set-header X-Forwarded-Proto ${hop.tls === 'terminate' ? 'https' : 'http'}
  default_backend back

backend back
  http-reuse always
  server one 127.0.0.1:${hop.upstreamPort}${serverTls}

frontend stats
  bind 127.0.0.1:${hop.statsPort}
  no log
  http-request use-service prometheus-exporter
`;
}
