/**
 * One object of each kind that comes and goes with requests, after its end and until the next of its kind ends.
 *
 * A collection of everything that finds no object of a shape lets V8 forget the shape, and with it all optimised code
 * that counts on it ("embedded weak objects cleared" of `--trace-deopt`). Between two requests that is most of the
 * data path, which would have to be compiled anew.
 */
class LastOfKind {
  exchange: unknown = undefined;
  forwarding: unknown = undefined;
  attempt: unknown = undefined;
  retry: unknown = undefined;
  http1Connection: unknown = undefined;
  http2Request: unknown = undefined;
  http1Upstream: unknown = undefined;
  http2Upstream: unknown = undefined;
}

export const lastOfKind: LastOfKind = new LastOfKind();
