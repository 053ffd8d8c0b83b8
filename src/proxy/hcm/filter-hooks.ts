/** Filters by the hooks they have; a mistake in one of them ends its request, wherever the call comes from. */
import type { HeaderList } from '#http/header-list.ts';
import type { Exchange, HttpFilter, Verdict } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';

/** One without a hook costs nothing there. */
export interface FilterHooks {
  readonly requestHead: readonly HttpFilter[];
  readonly upstream: readonly HttpFilter[];
  readonly requestData: readonly HttpFilter[];
  readonly requestTrailers: readonly HttpFilter[];
  /** These in reverse order. */
  readonly responseHead: readonly HttpFilter[];
  readonly responseData: readonly HttpFilter[];
  readonly responseTrailers: readonly HttpFilter[];
  readonly heldResponse: readonly HttpFilter[];
  readonly end: readonly HttpFilter[];
}

/** @param onException is told what a hook threw. */
export function hooksOf(filters: readonly HttpFilter[], onException: (error: unknown) => void): FilterHooks {
  const having = (hook: keyof HttpFilter): HttpFilter[] =>
    filters
      .filter((filter) => filter[hook] !== undefined)
      .map((filter) => new GuardedFilter(filter, onException));
  return {
    requestHead: having('onRequestHead'),
    upstream: having('onUpstream'),
    requestData: having('onRequestData'),
    requestTrailers: having('onRequestTrailers'),
    responseHead: having('onResponseHead').reverse(),
    responseData: having('onResponseData').reverse(),
    responseTrailers: having('onResponseTrailers').reverse(),
    heldResponse: having('onHeldResponse').reverse(),
    end: having('onEnd'),
  };
}

const nothing: Buffer = Buffer.alloc(0);

/** Only hooks that the filter has are called. */
class GuardedFilter implements HttpFilter {
  readonly #filter: HttpFilter;
  readonly #onException: (error: unknown) => void;

  constructor(filter: HttpFilter, onException: (error: unknown) => void) {
    this.#filter = filter;
    this.#onException = onException;
  }

  #fail(exchange: Exchange, error: unknown): void {
    this.#onException(error);
    exchange.refuse(replyTo('INTERNAL_ERROR'));
  }

  onRequestHead(exchange: Exchange): Verdict {
    try {
      return this.#filter.onRequestHead!(exchange);
    } catch (error) {
      this.#onException(error);
      return replyTo('INTERNAL_ERROR');
    }
  }

  onUpstream(exchange: Exchange): void {
    try {
      this.#filter.onUpstream!(exchange);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  onRequestData(exchange: Exchange, data: Buffer): Buffer | undefined {
    try {
      return this.#filter.onRequestData!(exchange, data);
    } catch (error) {
      this.#fail(exchange, error);
      return nothing;
    }
  }

  onRequestTrailers(exchange: Exchange, trailers: HeaderList): void {
    try {
      this.#filter.onRequestTrailers!(exchange, trailers);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  onResponseHead(exchange: Exchange): void {
    try {
      this.#filter.onResponseHead!(exchange);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  onResponseData(exchange: Exchange, data: Buffer): Buffer | undefined {
    try {
      return this.#filter.onResponseData!(exchange, data);
    } catch (error) {
      this.#fail(exchange, error);
      return nothing;
    }
  }

  onResponseTrailers(exchange: Exchange, trailers: HeaderList): Buffer | undefined {
    try {
      return this.#filter.onResponseTrailers!(exchange, trailers);
    } catch (error) {
      this.#fail(exchange, error);
      return undefined;
    }
  }

  onHeldResponse(exchange: Exchange): void {
    try {
      this.#filter.onHeldResponse!(exchange);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  /** The request is over already: the others hear of it, and its line is written. */
  onEnd(exchange: Exchange): void {
    try {
      this.#filter.onEnd!(exchange);
    } catch (error) {
      this.#onException(error);
    }
  }
}
