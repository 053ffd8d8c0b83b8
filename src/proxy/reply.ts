/** The only place that turns a failure into a reply, with Envoy's texts, flags and details. */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { LocalReply } from './filter/contract.ts';

/** @param reason why, for the details of resets, such as `delayed connect error: Connection refused`. */
export function replyTo(code: ErrorCode, reason = ''): LocalReply {
  const { httpStatus, flag, details, body } = errorKinds[code];
  if (code === 'OVERLOADED')
    return { status: httpStatus, flag, details, body, headers: ['x-envoy-overloaded', 'true'] };
  if (reason === '' || !details.endsWith('}')) return { status: httpStatus, flag, details, body };
  return {
    status: httpStatus,
    flag,
    body,
    details: `${details.slice(0, -1)}|${reason.replaceAll(' ', '_')}}`,
  };
}

/** The fields of a reply before those every response has. A gRPC request is answered in trailers-only form. */
export function headersOfReply({ status, body, headers = [] }: LocalReply, grpc: boolean): HeaderList {
  if (grpc) {
    const own = ['content-type', 'application/grpc', 'grpc-status', String(grpcStatusOf(status)), ...headers];
    if (body !== '') own.push('grpc-message', grpcMessage(body));
    return own;
  }
  return body === ''
    ? [...headers]
    : ['content-length', String(body.length), 'content-type', 'text/plain', ...headers];
}

const grpcStatuses: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};
const GRPC_UNKNOWN = 2;

/** The gRPC status that stands for an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping"). */
function grpcStatusOf(httpStatus: number): number {
  return grpcStatuses[httpStatus] ?? GRPC_UNKNOWN;
}

/** Text as it stands in `grpc-message` (gRPC over HTTP/2, "Percent-Encoded"). */
function grpcMessage(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x20 && code <= 0x7e && code !== 0x25) out += text[i];
    else out += `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
