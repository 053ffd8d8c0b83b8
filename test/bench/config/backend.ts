/** nginx as everybody's backend, over HTTP/1.1 and HTTP/2. */
import { nginxFrame, nginxHttp } from './nginx.ts';

/** Body of `/small`. */
export const smallBodyBytes = 128;
/** Body of `/64k`, and of what is sent to `/upload`. */
export const largeBodyBytes = 65_536;
/** Every call of it is answered with the file `message`, whatever was sent. */
export const unaryPath = '/bench.Echo/Unary';

/** What `unaryPath` is sent and answers: one length-prefixed message. */
export function grpcMessage(): Buffer {
  const message = Buffer.alloc(5 + smallBodyBytes, 'm');
  message.writeUInt8(0, 0);
  message.writeUInt32BE(smallBodyBytes, 1);
  return message;
}

export interface BackendPlace {
  readonly h1Port: number;
  readonly h2Port: number;
  /** Holds the files `64k` and `message`. */
  readonly folder: string;
}

/** For rows whose clusters have several endpoints. */
const manyAddresses = Array.from({ length: 50 }, (_, at) => `127.0.0.${at + 1}`);

/** `/small` from memory, `/64k` from a file, `/seen` tells what the proxy added to the request. */
export function nginxBackend({ h1Port, h2Port, folder }: BackendPlace): string {
  const http = `  access_log off;
  default_type text/plain;
  sendfile on;
  open_file_cache max=16;
  server {
${manyAddresses.map((at) => `    listen ${at}:${h1Port} backlog=1024;`).join('\n')}
    listen 127.0.0.1:${h2Port} http2 backlog=1024;
    http2_max_concurrent_streams 1024;
    location = /small { return 200 "${'x'.repeat(smallBodyBytes)}"; }
    location = /64k { root ${folder}; }
    location = /upload { return 200 "taken"; }
    location = ${unaryPath} { error_page 405 =200 /message; return 405; }
    location = /message {
      internal;
      root ${folder};
      types { }
      default_type application/grpc;
      add_trailer grpc-status 0 always;
    }
    location = /seen {
      return 200 "x-request-id=$http_x_request_id\\nx-forwarded-for=$http_x_forwarded_for\\nx-forwarded-proto=$http_x_forwarded_proto\\n";
    }
  }`;
  return nginxFrame({ folder, blocks: nginxHttp(folder, http) });
}
