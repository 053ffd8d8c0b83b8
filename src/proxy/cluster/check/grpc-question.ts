/** The check of gRPC (`grpc.health.v1.Health/Check`), whose two messages are a text and a number. */
import { frameMessage, MessageReader } from '#http/grpc-message.ts';
import { headerOf } from '#http/header-list.ts';
import type { Answer, Question } from './http-probe.ts';
import type { ProbeHandler, ProbePlace } from './probe.ts';
import type { CheckKind } from './settings.ts';

const SERVING = 1;
const MAX_MESSAGE_BYTES = 64 * 1024;
/** Tags of a text in field 1, and of a number there. */
const TEXT_1 = 0x0a;
const NUMBER_1 = 0x08;

export function grpcQuestion(check: Extract<CheckKind, { kind: 'grpc' }>, place: ProbePlace): Question {
  const { secure } = place.endpoint.transport;
  return {
    request: {
      method: 'POST',
      path: '/grpc.health.v1.Health/Check',
      authority: place.hostname || check.authority || place.cluster,
      scheme: secure ? 'https' : 'http',
      requestHeaders: [
        ...['te', 'trailers', 'content-type', 'application/grpc', 'user-agent', 'Envoy/HC'],
        ...check.metadata,
      ],
      upgrade: '',
      requestNames: undefined,
    },
    body: frameMessage(requestFor(check.service)),
    major: 2,
    maxBodyBytes: MAX_MESSAGE_BYTES,
    judge,
  };
}

function requestFor(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return name;
  return Buffer.concat([Buffer.from([TEXT_1, ...lengthOf(name.length)]), name]);
}

/** As a varint. */
function lengthOf(length: number): number[] {
  return length < 0x80 ? [length] : [(length & 0x7f) | 0x80, ...lengthOf(length >> 7)];
}

function judge({ status, headers, trailers, body }: Answer, handler: ProbeHandler): void {
  const grpc = headerOf(trailers, 'grpc-status') ?? headerOf(headers, 'grpc-status');
  if (status === 200 && grpc === '0' && servingStatus(body) === SERVING) handler.passed(false);
  else handler.failed({ type: 'ACTIVE', status });
}

/** -1 where there is no message. */
function servingStatus(body: Buffer): number {
  let found = -1;
  const problem = new MessageReader(MAX_MESSAGE_BYTES).read(body, (message) => {
    found = message[0] === NUMBER_1 ? (message[1] ?? 0) : 0;
  });
  return problem === '' ? found : -1;
}
