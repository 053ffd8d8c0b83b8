/** nginx as a proxy of a row, and as everybody's backend. */
import { type Hop, leafDnsName, retries, routeTimeoutSeconds, upstreamConnections } from './work.ts';

/** Paths are in the run's own folder, so that it writes nowhere else and needs no root. */
const frame = (folder: string, http: string): string => `
worker_processes 1;
daemon off;
error_log ${folder}/error.log warn;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
${http}
}
`;

export function nginxProxy(hop: Hop): string {
  const { certificates } = hop;
  const terminate = `
    ssl_certificate ${certificates.certificate};
    ssl_certificate_key ${certificates.key};
    ssl_client_certificate ${certificates.ca};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;`;
  const originate = `
      proxy_ssl_certificate ${certificates.certificate};
      proxy_ssl_certificate_key ${certificates.key};
      proxy_ssl_trusted_certificate ${certificates.ca};
      proxy_ssl_verify on;
      proxy_ssl_name ${leafDnsName};
      proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3;`;
  return frame(
    hop.folder,
    `  access_log ${hop.accessLog} combined buffer=64k flush=1s;
  upstream back {
    server 127.0.0.1:${hop.upstreamPort};
    keepalive ${upstreamConnections};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${hop.statsPort};
    access_log off;
    location / { stub_status; }
  }
  server {
    listen 127.0.0.1:${hop.listenPort}${hop.tls === 'terminate' ? ' ssl' : ''};${hop.tls === 'terminate' ? terminate : ''}
    location / {
      proxy_pass ${hop.tls === 'originate' ? 'https' : 'http'}://back;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_read_timeout ${routeTimeoutSeconds}s;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries ${retries + 1};${hop.tls === 'originate' ? originate : ''}
    }
  }`,
  );
}

/** Body of `/small`. */
export const smallBodyBytes = 128;
export const largeBodyBytes = 65_536;

/** `/small` from memory, `/64k` from a file, `/seen` tells what the proxy added to the request. */
export function nginxBackend({ port, folder }: { readonly port: number; readonly folder: string }): string {
  return frame(
    folder,
    `  access_log off;
  default_type text/plain;
  sendfile on;
  open_file_cache max=16;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location = /small { return 200 "${'x'.repeat(smallBodyBytes)}"; }
    location = /64k { root ${folder}; }
    location = /seen {
      return 200 "x-request-id=$http_x_request_id\\nx-forwarded-for=$http_x_forwarded_for\\nx-forwarded-proto=$http_x_forwarded_proto\\n";
    }
  }`,
  );
}
