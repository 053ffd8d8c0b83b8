/** Everything that can be fuzzed. */
import { dnsAnswers, dnsQuestions } from './dns-target.ts';
import { clientHelloTarget, grpcTarget, httpStartTarget, proxyHeaderTarget } from './first-bytes-target.ts';
import { http1Request, http1Response } from './http1-target.ts';
import { http2Client, http2Server } from './http2-target.ts';
import type { FuzzTarget } from './target.ts';

export const targets: readonly FuzzTarget[] = [
  http1Request,
  http1Response,
  http2Server,
  http2Client,
  clientHelloTarget,
  httpStartTarget,
  proxyHeaderTarget,
  grpcTarget,
  dnsQuestions,
  dnsAnswers,
];
