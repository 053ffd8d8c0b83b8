/** gRPC's Client Status Discovery Service: what xDS resources a process has (gRFC A40). */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  type ClientConfig,
  ClientStatusRequestSchema,
  ClientStatusResponseSchema,
} from '#xds/gen/envoy/service/status/v3/csds_pb.js';

export function clientStatus(address: string): Promise<ClientConfig[]> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  return new Promise<ClientConfig[]>((resolve, reject) => {
    client.makeUnaryRequest(
      '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus',
      () => Buffer.from(toBinary(ClientStatusRequestSchema, create(ClientStatusRequestSchema))),
      (bytes) => fromBinary(ClientStatusResponseSchema, bytes),
      {},
      (error, response) => {
        if (error !== null) reject(error);
        else resolve(response?.config ?? []);
      },
    );
  }).finally(() => client.close());
}
