/** nginx as a proxy of a row. */
import {
  type Hop,
  leafDnsName,
  maxConnections,
  retries,
  routeTimeoutSeconds,
  upstreamConnections,
} from './work.ts';

interface Frame {
  readonly folder: string;
  readonly threads?: number;
  /** Top-level blocks: `http { }` and the like. */
  readonly blocks: string;
}

/** Paths are in the run's own folder, so that it writes nowhere else and needs no root. */
export const nginxFrame = ({ folder, threads = 1, blocks }: Frame): string => `
worker_processes ${threads};
daemon off;
error_log ${folder}/error.log warn;
pid ${folder}/nginx.pid;
events { worker_connections ${maxConnections}; }
${blocks}
`;

export const nginxHttp = (folder: string, http: string): string => `http {
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
${http}
}`;

export function nginxProxy(hop: Hop): string {
  const { folder, threads } = hop;
  const stats = `  server {
    listen 127.0.0.1:${hop.statsPort};
    access_log off;
    location / { stub_status; }
  }`;
  if (hop.traffic === 'tcp') throw new Error('this nginx proxies HTTP only');
  const http = `  access_log ${hop.accessLog} combined buffer=64k flush=1s;
  upstream back {
    server 127.0.0.1:${hop.upstreamPort};
    keepalive ${upstreamConnections};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
${stats}
  server {
    listen 127.0.0.1:${hop.listenPort}${listenOptions(hop)};${serverTls(hop)}
    http2_max_concurrent_streams 1024;
    location / {${hop.traffic === 'grpc' ? grpcPass : proxyPass(hop)}
    }
  }`;
  return nginxFrame({ folder, threads, blocks: nginxHttp(folder, http) });
}

const takesTls = ({ tls }: Hop): boolean => tls === 'terminate' || tls === 'serve';

const listenOptions = (hop: Hop): string =>
  (takesTls(hop) ? ' ssl' : '') + (hop.traffic === 'h2' || hop.traffic === 'grpc' ? ' http2' : '');

function serverTls({ tls, certificates }: Hop): string {
  const client =
    tls === 'terminate'
      ? `
    ssl_client_certificate ${certificates.ca};
    ssl_verify_client on;`
      : '';
  return tls === 'terminate' || tls === 'serve'
    ? `
    ssl_certificate ${certificates.certificate};
    ssl_certificate_key ${certificates.key};${client}
    ssl_protocols TLSv1.3;`
    : '';
}

/** Bodies pass as they come, as in the others. */
function proxyPass(hop: Hop): string {
  const { certificates, traffic } = hop;
  const originate = `
      proxy_ssl_certificate ${certificates.certificate};
      proxy_ssl_certificate_key ${certificates.key};
      proxy_ssl_trusted_certificate ${certificates.ca};
      proxy_ssl_verify on;
      proxy_ssl_name ${leafDnsName};
      proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3;`;
  const upgrade = `
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";`;
  return `
      proxy_pass ${hop.tls === 'originate' ? 'https' : 'http'}://back;
      proxy_http_version 1.1;
      proxy_request_buffering off;${traffic === 'websocket' ? upgrade : '\n      proxy_set_header Connection "";'}
      proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_read_timeout ${routeTimeoutSeconds}s;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries ${retries + 1};${hop.tls === 'originate' ? originate : ''}`;
}

const grpcPass = `
      grpc_pass grpc://back;
      grpc_set_header Host $host;
      grpc_set_header X-Request-Id $request_id;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      grpc_set_header X-Forwarded-Proto $scheme;
      grpc_read_timeout ${routeTimeoutSeconds}s;
      grpc_next_upstream error timeout;
      grpc_next_upstream_tries ${retries + 1};`;
