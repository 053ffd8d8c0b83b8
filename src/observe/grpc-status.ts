/** Statuses of gRPC by name (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */

const names: readonly string[] = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange'],
  ...['Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];

const snakeNames = names.map((name) =>
  name === 'OK' ? name : name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toUpperCase(),
);

/** Those that stand for a status of HTTP where an answer has none of its own. */
const ofHttp: Readonly<Record<number, number>> = {
  ...{ 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 },
};

export type GrpcStatusForm = 'CAMEL_STRING' | 'SNAKE_STRING' | 'NUMBER';

export const grpcStatusForms: readonly GrpcStatusForm[] = ['CAMEL_STRING', 'SNAKE_STRING', 'NUMBER'];

/** One without a name is its number. */
export function grpcStatusText(status: number, form: GrpcStatusForm): string {
  const list = form === 'SNAKE_STRING' ? snakeNames : names;
  return form === 'NUMBER' ? String(status) : (list[status] ?? String(status));
}

export function grpcStatusOfHttp(status: number): number {
  return ofHttp[status] ?? 2;
}
