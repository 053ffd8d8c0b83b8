/**
 * The recommendations contract, read from its .proto, and gRPC with xDS. `@grpc/grpc-js-xds` is heavy, so
 * heddle only asks for it optionally: where it is missing this says so instead of failing to start.
 */
import { fileURLToPath } from 'node:url';
import type * as Grpc from '@grpc/grpc-js';
import type * as GrpcXds from '@grpc/grpc-js-xds';

export interface SuggestReply {
  readonly books: readonly number[];
  readonly reason: string;
  readonly version: string;
  readonly instance: string;
}

export interface GrpcWithXds {
  readonly grpc: typeof Grpc;
  readonly xds: typeof GrpcXds;
  readonly service: Grpc.ServiceClientConstructor;
}

/** Rejects with a sentence to show when a package is missing. */
export async function loadGrpc(): Promise<GrpcWithXds> {
  try {
    const grpc = await import('@grpc/grpc-js');
    const xds = await import('@grpc/grpc-js-xds');
    const protoLoader = await import('@grpc/proto-loader');
    xds.register();
    const file = fileURLToPath(new URL('./recommendations.proto', import.meta.url));
    const loaded = grpc.loadPackageDefinition(protoLoader.loadSync(file, { defaults: true }));
    const { Recommendations } = loaded.bookstore as Grpc.GrpcObject;
    return { grpc, xds, service: Recommendations as Grpc.ServiceClientConstructor };
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    if (!missing) throw cause;
    throw new Error('recommendations need a package: npm install @grpc/grpc-js-xds', { cause });
  }
}
