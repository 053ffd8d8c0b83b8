/** The only place that turns a failure into a reply, with Envoy's texts, flags and details. */
import { type ErrorCode, errorKinds } from '#core/error.ts';
import { encodeGrpcMessage, grpcStatusOf } from '#http/grpc-status.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { LocalReply } from './filter/contract.ts';

/**
 * @param reason why, for the details of resets, such as `delayed connect error: Connection refused`.
 * @param retried whether other attempts failed before.
 */
export function replyTo(code: ErrorCode, reason = '', retried = false): LocalReply {
  const { httpStatus, flag, details, body: text, grpcStatus } = errorKinds[code];
  const body = retried ? text.replace(' reset reason', ' retried and the latest reset reason') : text;
  if (code === 'OVERLOADED')
    return { status: httpStatus, flag, details, body, headers: ['x-envoy-overloaded', 'true'] };
  if (grpcStatus !== undefined) return { status: httpStatus, flag, details, body, grpcStatus };
  if (reason === '' || !details.endsWith('}')) return { status: httpStatus, flag, details, body };
  return {
    status: httpStatus,
    flag,
    body,
    details: `${details.slice(0, -1)}|${reason.replaceAll(' ', '_')}}`,
  };
}

/** The fields of a reply before those every response has. A gRPC request is answered in trailers-only form. */
export function headersOfReply(
  { status, body, headers = [], contentType = 'text/plain', grpcStatus }: LocalReply,
  grpc: boolean,
): HeaderList {
  if (grpc) {
    const own = [
      'content-type',
      'application/grpc',
      'grpc-status',
      String(grpcStatus ?? grpcStatusOf(status)),
      ...headers,
    ];
    if (body !== '') own.push('grpc-message', encodeGrpcMessage(body));
    return own;
  }
  return body === ''
    ? [...headers]
    : ['content-length', String(body.length), 'content-type', contentType, ...headers];
}
