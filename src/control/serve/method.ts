/** From a method in a proto file to the definition the gRPC server registers. */
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

type Typed<Input extends DescMessage, Output extends DescMessage> = DescMethod & {
  readonly input: Input;
  readonly output: Output;
};

/** Messages in and out are protobuf-es messages. */
export function grpcMethod<Input extends DescMessage, Output extends DescMessage>(
  method: Typed<Input, Output>,
): MethodDefinition<MessageShape<Input>, MessageShape<Output>> {
  return {
    ...shape(method),
    ...inputCodec(method.input),
    responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

/** The same for a server that gives responses as encoded bytes, put together from shared parts. */
export function grpcMethodWithEncodedResponses<Input extends DescMessage>(
  method: Typed<Input, DescMessage>,
): MethodDefinition<MessageShape<Input>, Buffer> {
  return {
    ...shape(method),
    ...inputCodec(method.input),
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
}

function inputCodec<Input extends DescMessage>(
  input: Input,
): Pick<MethodDefinition<MessageShape<Input>, unknown>, 'requestSerialize' | 'requestDeserialize'> {
  return {
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
  };
}

function shape(method: DescMethod): { path: string; requestStream: boolean; responseStream: boolean } {
  const { methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
  };
}
