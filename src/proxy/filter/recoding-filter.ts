/** What filters that compress or decompress bodies have in common: the way of the bodies, once they have begun. */
import type { Exchange, HttpFilter } from './contract.ts';
import type { RecodedBody } from './recoded-body.ts';

/** Of one request and its response; undefined: the body goes on as it is. */
export interface RecodedBodies {
  request: RecodedBody | undefined;
  response: RecodedBody | undefined;
}

export abstract class RecodingFilter<Call extends RecodedBodies> implements HttpFilter {
  readonly slot: number;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Undefined before its hook of the head. */
  protected callOf(exchange: Exchange): Call | undefined {
    return exchange.slots[this.slot] as Call | undefined;
  }

  onRequestData(exchange: Exchange, data: Buffer): Buffer | undefined {
    return this.callOf(exchange)?.request?.write(data);
  }

  onRequestEnd(exchange: Exchange): undefined | 'wait' {
    return this.callOf(exchange)?.request?.end();
  }

  onResponseData(exchange: Exchange, data: Buffer): Buffer | undefined {
    return this.callOf(exchange)?.response?.write(data);
  }

  onResponseEnd(exchange: Exchange): undefined | 'wait' {
    return this.callOf(exchange)?.response?.end();
  }

  onEnd(exchange: Exchange): void {
    const call = this.callOf(exchange);
    call?.request?.stop();
    call?.response?.stop();
  }
}
