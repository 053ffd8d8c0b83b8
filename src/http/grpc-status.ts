/** Status of gRPC calls: codes, and their way through HTTP (gRPC, "HTTP to gRPC Status Code Mapping"). */

export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const byHttp: Readonly<Record<number, number>> = {
  400: grpcStatus.internal,
  401: grpcStatus.unauthenticated,
  403: grpcStatus.permissionDenied,
  404: grpcStatus.unimplemented,
  429: grpcStatus.unavailable,
  502: grpcStatus.unavailable,
  503: grpcStatus.unavailable,
  504: grpcStatus.unavailable,
};

/** The gRPC status that stands for an HTTP status. */
export function grpcStatusOf(httpStatus: number): number {
  return byHttp[httpStatus] ?? grpcStatus.unknown;
}

/** Text as it stands in `grpc-message` (gRPC over HTTP/2, "Percent-Encoded"). */
export function encodeGrpcMessage(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x20 && code <= 0x7e && code !== 0x25) out += text[i];
    else out += `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** The text in a `grpc-message`; what is not encoded as it should be stays as it is. */
export function decodeGrpcMessage(value: string): string {
  if (!value.includes('%')) return value;
  const bytes = value.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

/** By the number of the gRPC status. */
const httpByGrpc: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** The HTTP status that stands for `grpc-status`, as Envoy maps them. @param text the value of the header */
export function httpStatusOfGrpc(text: string): number {
  return (/^\d{1,2}$/.test(text) ? httpByGrpc[Number(text)] : undefined) ?? 500;
}
