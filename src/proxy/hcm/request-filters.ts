/**
 * The request past its filters, in their order. One of them may stop its head; what follows is kept
 * meanwhile. Behind the last stands the router.
 */
import { type HeaderList, noTrailers } from '#http/header-list.ts';
import type { LocalReply, Verdict } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import { ResponsePath } from './response-path.ts';

/** No filter has this place in a chain. */
const NOBODY = -1;

export abstract class RequestFilters extends ResponsePath {
  /** When a filter let it go on that had held it; -1: none has. */
  heldUntilMs = -1;
  #headAt = 0;
  #trailersAt = 0;
  /** Which filter stopped the head, and whether it holds it until the end. */
  #stopper = NOBODY;
  #holds = false;
  /** What came of the body since; filters up to this place have seen it. */
  #kept: Buffer[] | undefined = undefined;
  #keptBytes = 0;
  #seenTo = NOBODY;
  #requestTrailers: HeaderList = noTrailers;
  #over = false;
  /** Which filter sees the end next, and whether one has stopped it. */
  #endAt = 0;
  #endStopped = false;
  /** Whether filters made trailers, which go on whatever the client's protocol is. */
  #hasOwnTrailers = false;

  /** What is done with a request that every filter has let through. */
  protected abstract act(): void;

  protected stopRequest(): void {
    this.#over = true;
    this.#stopper = NOBODY;
    this.#kept = undefined;
  }

  protected runFilters(): void {
    const hooks = this.hooks.requestHead;
    while (this.#headAt < hooks.length) {
      const hook = hooks[this.#headAt++]!;
      const verdict = hook.onRequestHead(this, !this.hasBody);
      // It may have answered by itself.
      if (this.#over) return;
      if (verdict === undefined) continue;
      this.#stopAt(hook.index, verdict);
      return;
    }
    this.act();
  }

  #stopAt(index: number, verdict: Exclude<Verdict, undefined>): void {
    if (verdict === 'wait' || verdict === 'hold') {
      this.#stopper = index;
      this.#holds = verdict === 'hold';
      this.#seenTo = this.#holds ? index : index - 1;
    } else this.reply(verdict);
  }

  resume(reply?: LocalReply): void {
    if (this.#over || this.#stopper === NOBODY || this.#holds) return;
    this.heldUntilMs = this.runtime.clock.nowMs();
    if (reply !== undefined) this.reply(reply);
    else {
      this.#letGo();
      if (this.requestDone) this.endRequest();
      this.forwarding?.flush();
    }
    if (!this.ended) this.stream.resume();
    this.stream.flush();
  }

  /** The head goes past the next filters, and after it what was kept of the body. */
  #letGo(): void {
    const seenTo = this.#seenTo;
    const kept = this.#kept;
    this.#stopper = NOBODY;
    this.#kept = undefined;
    this.#keptBytes = 0;
    this.runFilters();
    if (kept === undefined) return;
    for (const data of kept) if (!this.#over) this.#passData(data, seenTo);
  }

  onRequestData(data: Buffer): void {
    this.bytesReceived += data.length;
    if (this.responseDone) return;
    this.touch();
    if (this.#stopper === NOBODY && this.hooks.requestData.length === 0) this.forwarding?.sendData(data);
    else if (!this.#over) this.#passData(data, NOBODY);
  }

  /** Past the filters that stand behind a place in the chain, as far as the head has come. */
  #passData(data: Buffer, after: number): void {
    let piece = data;
    const hooks = this.hooks.requestData;
    const stopper = this.#stopper;
    for (let i = 0; i < hooks.length; i++) {
      const hook = hooks[i]!;
      if (hook.index <= after) continue;
      if (stopper !== NOBODY && (hook.index > stopper || (hook.index === stopper && !this.#holds))) break;
      piece = hook.onRequestData(this, piece) ?? piece;
      if (piece.length === 0 || this.#over) return;
    }
    if (stopper === NOBODY) this.forwarding?.sendData(piece);
    else this.#keep(piece);
  }

  #keep(data: Buffer): void {
    this.#kept ??= [];
    this.#kept.push(data);
    this.#keptBytes += data.length;
    if (this.#keptBytes <= this.bufferLimitBytes) return;
    if (!this.#holds) {
      this.stream.pause();
      return;
    }
    this.runtime.stats.downstream_rq_too_large.inc();
    this.reply(replyTo('REQUEST_TOO_LARGE'));
  }

  onRequestTrailers(trailers: HeaderList): void {
    if (this.#over && this.forwarding === undefined) return;
    this.#requestTrailers = trailers;
    // What stands before them may not have gone on.
    if (this.hooks.requestEnd.length === 0) this.#passTrailers();
  }

  /** As far as the head has come. */
  #passTrailers(): void {
    const trailers = this.#requestTrailers;
    if (trailers.length === 0) return;
    const hooks = this.hooks.requestTrailers;
    const stopper = this.#stopper;
    while (this.#trailersAt < hooks.length) {
      const hook = hooks[this.#trailersAt]!;
      if (stopper !== NOBODY && (hook.index > stopper || (hook.index === stopper && !this.#holds))) return;
      this.#trailersAt++;
      hook.onRequestTrailers(this, trailers);
      if (this.#over) return;
    }
    const isWanted = this.stream.major === 2 || this.runtime.settings.requests.wantsTrailers === true;
    if (isWanted || this.#hasOwnTrailers) this.forwarding?.sendTrailers(trailers);
  }

  injectRequestData(slot: number, data: Buffer): void {
    if (this.#over && this.forwarding === undefined) return;
    this.touch();
    this.#passData(data, slot);
    this.forwarding?.flush();
  }

  pauseRequest(paused: boolean): void {
    if (this.ended || this.requestDone) return;
    if (paused) this.stream.pause();
    else this.stream.resume();
  }

  addRequestTrailers(list: HeaderList): void {
    this.#requestTrailers = [...this.#requestTrailers, ...list];
    this.#hasOwnTrailers = true;
  }

  resumeRequestEnd(): void {
    if (!this.#endStopped || this.ended || this.responseDone) return;
    this.#endStopped = false;
    this.heldUntilMs = this.runtime.clock.nowMs();
    this.endRequest();
    this.forwarding?.flush();
  }

  /** All of the request has come: the end goes past the filters, as far as they and the head let it. */
  protected endRequest(): void {
    const hooks = this.hooks.requestEnd;
    while (!this.#endStopped) {
      const next = hooks[this.#endAt];
      if (next !== undefined && (this.#stopper === NOBODY || next.index < this.#stopper)) {
        this.#endAt++;
        this.#endStopped = next.onRequestEnd(this) === 'wait';
      } else if (this.#stopper === NOBODY) {
        if (hooks.length > 0) this.#passTrailers();
        this.forwarding?.endRequest();
        return;
      } else if (!this.#completeHeld()) return;
      if (this.#over && this.forwarding === undefined) return;
    }
  }

  /** Asks the filter that holds the request. @returns whether it goes on */
  #completeHeld(): boolean {
    if (!this.#holds) return false;
    const stopper = this.#stopper;
    const hook = this.hooks.requestComplete.find(({ index }) => index === stopper);
    const verdict = hook?.onRequestComplete(this, this.#keptBytes);
    if (this.#over) return false;
    if (verdict === 'wait' || verdict === 'hold') this.#holds = false;
    else if (verdict !== undefined) this.reply(verdict);
    else {
      this.#letGo();
      if (this.hooks.requestEnd.length === 0) this.#passTrailers();
    }
    return true;
  }
}
