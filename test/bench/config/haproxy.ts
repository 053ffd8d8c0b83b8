/** haproxy as a proxy of a row. It logs to its standard output, which the run sends to the access-log file. */
import { type Hop, leafDnsName, maxConnections, retries, routeTimeoutSeconds } from './work.ts';

/** HTTP: what every proxy adds to a request, and its line of log. */
const httpMode = `
  mode http
  option httplog
  option http-keep-alive
  timeout http-keep-alive 1h
  retries ${retries}
  retry-on conn-failure empty-response response-timeout`;
const tcpMode = `
  mode tcp
  option tcplog`;

export function haproxy(hop: Hop): string {
  const { certificates, traffic } = hop;
  const http = traffic !== 'tcp';
  const proto = traffic === 'h2' || traffic === 'grpc' ? ' proto h2' : '';
  const verify = hop.tls === 'terminate' ? ` ca-file ${certificates.ca} verify required` : '';
  const bindTls =
    hop.tls === 'terminate' || hop.tls === 'serve'
      ? ` ssl crt ${certificates.pair}${verify} ssl-min-ver TLSv1.3`
      : '';
  const serverTls =
    hop.tls === 'originate'
      ? ` ssl crt ${certificates.pair} ca-file ${certificates.ca} verify required verifyhost ${leafDnsName} sni str(${leafDnsName}) ssl-min-ver TLSv1.3`
      : '';
  return `
global
  nbthread ${hop.threads}
  maxconn ${maxConnections}
  log stdout format raw local0

defaults${http ? httpMode : tcpMode}
  log global
  timeout connect 1s
  timeout client 1h
  timeout tunnel 1h
  timeout server ${http ? routeTimeoutSeconds : 3600}s

frontend front
  bind 127.0.0.1:${hop.listenPort}${bindTls}${proto}${http ? added(hop) : ''}
  default_backend back

backend back${http ? '\n  http-reuse always' : ''}
  server one 127.0.0.1:${hop.upstreamPort}${serverTls}${proto}

frontend stats
  mode http
  bind 127.0.0.1:${hop.statsPort}
  no log
  http-request use-service prometheus-exporter
`;
}

const added = (hop: Hop): string => `
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  option forwardfor
  http-request set-header X-Forwarded-Proto ${hop.tls === 'none' || hop.tls === 'originate' ? 'http' : 'https'}`;
