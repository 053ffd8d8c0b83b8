/** What an answer says of the endpoint that gave it. */
import { httpStatusOfGrpc } from '#http/grpc-status.ts';
import { headerOf } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { Endpoint } from '../cluster/endpoint.ts';

/** A gRPC call that ends with its head counts by its own status; one whose trailers bring it, by that of HTTP. */
export function noteResponse(
  endpoint: Endpoint,
  status: number,
  headers: readonly string[],
  isGrpc: boolean,
): void {
  const { monitor } = endpoint;
  if (monitor === undefined) return;
  if (monitor.isChecked && headerOf(headers, 'x-envoy-immediate-health-check-fail') !== undefined) {
    monitor.failedAtOnce();
  }
  const grpc = isGrpc ? headerOf(headers, 'grpc-status') : undefined;
  monitor.responded(grpc === undefined ? status : httpStatusOfGrpc(grpc));
}

/** Whether the endpoint is a canary, or calls itself one. @param marks of the response's head */
export function isCanary(endpoint: Endpoint, headers: readonly string[], marks: number): boolean {
  if (endpoint.isCanary) return true;
  return (marks & mark.envoy) !== 0 && headerOf(headers, 'x-envoy-upstream-canary') === 'true';
}
