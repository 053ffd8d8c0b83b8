/** Filters by the hooks they have; a mistake in one of them ends its request, wherever the call comes from. */
import type { HeaderList } from '#http/header-list.ts';
import { type Discovered, type Extensions, Followed } from '../discovered.ts';
import type { AttemptGate, AttemptVerdict, Exchange, HttpFilter, Verdict } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import type { FilterOverrides } from '../route/filter-config.ts';

/** A filter in its place. */
export interface ChainFilter {
  readonly name: string;
  /** Unless the route table says otherwise. */
  readonly disabled: boolean;
  readonly filter: HttpFilter;
  /** Where its configuration comes by name: `filter` is what there is without one. */
  readonly discovered?: Discovered<HttpFilter>;
}

/** One without a hook costs nothing there. */
export interface FilterHooks {
  readonly requestHead: readonly GuardedFilter[];
  readonly attempt: readonly GuardedFilter[];
  readonly upstream: readonly GuardedFilter[];
  readonly requestData: readonly GuardedFilter[];
  readonly requestTrailers: readonly GuardedFilter[];
  readonly requestEnd: readonly GuardedFilter[];
  readonly requestComplete: readonly GuardedFilter[];
  /** These in reverse order. */
  readonly responseHead: readonly GuardedFilter[];
  readonly responseData: readonly GuardedFilter[];
  /** With any of the hooks of the end of a response. */
  readonly responseEnd: readonly GuardedFilter[];
  readonly end: readonly GuardedFilter[];
}

/** The filters of a listener, as they stand for each place in the route table. */
export class FilterChains {
  #plain: FilterHooks;
  #filters: readonly ChainFilter[];
  readonly #onException: (error: unknown) => void;
  #known = new WeakMap<FilterOverrides, FilterHooks>();
  /** Undefined where no filter has its configuration from there. */
  readonly #extensions: Extensions | undefined;
  #version = 0;
  /** By its place. */
  readonly #followed: readonly (Followed<HttpFilter> | undefined)[];

  /** @param onException is told what a hook threw. */
  constructor(
    filters: readonly ChainFilter[],
    onException: (error: unknown) => void,
    extensions?: Extensions,
  ) {
    this.#filters = filters;
    this.#onException = onException;
    this.#followed = filters.map(({ discovered }) => discovered && new Followed(discovered));
    this.#extensions = this.#followed.some((one) => one !== undefined) ? extensions : undefined;
    this.#plain = this.#hooksOf(({ disabled }) => !disabled);
  }

  /** Where the route table says nothing. */
  get plain(): FilterHooks {
    if (this.#extensions !== undefined && this.#extensions.version !== this.#version)
      this.#refresh(this.#extensions);
    return this.#plain;
  }

  /** Requests under way stay with the filters that they began with. */
  #refresh(extensions: Extensions): void {
    this.#version = extensions.version;
    this.#filters = this.#filters.map((entry, i) => {
      const followed = this.#followed[i];
      return followed?.refresh(extensions) === true ? { ...entry, filter: followed.filter } : entry;
    });
    this.#known = new WeakMap();
    this.#plain = this.#hooksOf(({ disabled }) => !disabled);
  }

  of(overrides: FilterOverrides | undefined): FilterHooks {
    const { plain } = this;
    if (overrides === undefined) return plain;
    let hooks = this.#known.get(overrides);
    if (hooks === undefined) {
      hooks = this.#hooksOf(({ name, disabled }) => !(overrides.disables(name) ?? disabled));
      this.#known.set(overrides, hooks);
    }
    return hooks;
  }

  #hooksOf(isOn: (filter: ChainFilter) => boolean): FilterHooks {
    const guarded = this.#filters
      .map((entry, index) => ({ entry, guarded: new GuardedFilter(entry.filter, index, this.#onException) }))
      .filter(({ entry }) => isOn(entry));
    const having = (...hooks: readonly (keyof HttpFilter)[]): GuardedFilter[] =>
      guarded
        .filter(({ entry }) => hooks.some((hook) => entry.filter[hook] !== undefined))
        .map((one) => one.guarded);
    return {
      requestHead: having('onRequestHead'),
      attempt: having('onAttempt'),
      upstream: having('onUpstream'),
      requestData: having('onRequestData'),
      requestTrailers: having('onRequestTrailers'),
      requestEnd: having('onRequestEnd'),
      requestComplete: having('onRequestComplete'),
      responseHead: having('onResponseHead').reverse(),
      responseData: having('onResponseData').reverse(),
      responseEnd: having('onResponseTrailers', 'onResponseEnd', 'onResponseComplete').reverse(),
      end: having('onEnd'),
    };
  }
}

const nothing: Buffer = Buffer.alloc(0);

/** Hooks that the filter does not have do nothing. */
export class GuardedFilter {
  /** Its place in the chain. */
  readonly index: number;
  readonly #filter: HttpFilter;
  readonly #onException: (error: unknown) => void;

  constructor(filter: HttpFilter, index: number, onException: (error: unknown) => void) {
    this.index = index;
    this.#filter = filter;
    this.#onException = onException;
  }

  #fail(exchange: Exchange, error: unknown): undefined {
    this.#onException(error);
    exchange.refuse(replyTo('INTERNAL_ERROR'));
  }

  onRequestHead(exchange: Exchange, endStream: boolean): Verdict {
    try {
      return this.#filter.onRequestHead!(exchange, endStream);
    } catch (error) {
      this.#onException(error);
      return replyTo('INTERNAL_ERROR');
    }
  }

  onAttempt(exchange: Exchange, attempt: AttemptGate): AttemptVerdict {
    try {
      return this.#filter.onAttempt!(exchange, attempt);
    } catch (error) {
      return this.#fail(exchange, error);
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

  onRequestEnd(exchange: Exchange): undefined | 'wait' {
    try {
      return this.#filter.onRequestEnd!(exchange);
    } catch (error) {
      return this.#fail(exchange, error);
    }
  }

  onRequestComplete(exchange: Exchange, bodyBytes: number): Verdict {
    try {
      return this.#filter.onRequestComplete?.(exchange, bodyBytes);
    } catch (error) {
      this.#onException(error);
      return replyTo('INTERNAL_ERROR');
    }
  }

  onResponseHead(exchange: Exchange, endStream: boolean): Verdict {
    try {
      return this.#filter.onResponseHead!(exchange, endStream);
    } catch (error) {
      return this.#fail(exchange, error);
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
      return this.#filter.onResponseTrailers?.(exchange, trailers);
    } catch (error) {
      return this.#fail(exchange, error);
    }
  }

  onResponseEnd(exchange: Exchange): undefined | 'wait' {
    try {
      return this.#filter.onResponseEnd?.(exchange);
    } catch (error) {
      return this.#fail(exchange, error);
    }
  }

  onResponseComplete(exchange: Exchange, bodyBytes: number): Verdict {
    try {
      return this.#filter.onResponseComplete?.(exchange, bodyBytes);
    } catch (error) {
      return this.#fail(exchange, error);
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
